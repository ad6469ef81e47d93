"""What runs and studies have found: in files, in pictures, side by side."""
