"""Fine-tuning: which stages of a pretrained network are trained, from when on, and how fast."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from modules.nets.loading import PretrainedNet, set_rate


class FineTuning(BaseFinetuning):
    """Freezes the stages of a network below its head, and trains them later, more slowly, or never.

    What is trained follows from the epoch alone, so a run that goes on from a checkpoint is the same to the last bit.
    A frozen stage at the bottom costs no backward pass. The network must have an attribute ``head``, its last layer.
    A network that may have pretrained weights and was asked for none is trained as if this callback were not there.

    Args:
        policy: ``head_only`` trains the head (feature extraction); ``all`` trains everything from the start;
            ``unfreeze_at`` trains the head until ``epoch``, then everything; ``gradual`` unfreezes one stage more at
            ``epoch`` and after every ``interval`` epochs, the one nearest to the head first (Howard & Ruder 2018).
        epoch: When unfreezing starts.
        interval: Epochs from one stage to the next with ``gradual``.
        factor: Learning rate of a stage relative to the one above it (discriminative rates, Howard & Ruder 2018); or
            one factor on the head's rate for each stage, from the input to the last before the head.
        stages: Names of modules of the network, from the input towards the head; a stage begins with each of them.
            If not given: the blocks that the network is made of.
        batch_norm: Statistics of batch-norm layers: ``with_stage`` keeps them as long as their stage is frozen,
            ``frozen`` always, ``adapting`` never. Their weights and biases are frozen with their stage.

    Raises:
        MisconfigurationException: If the network has no head, no such stage, or another number of stages than factors;
            or if a strategy other than DDP is to unfreeze stages.
    """

    def __init__(
        self,
        policy: Literal["head_only", "unfreeze_at", "gradual", "all"] = "unfreeze_at",
        epoch: int = 1,
        interval: int = 1,
        factor: float | list[float] = 1.0,
        stages: list[str] | None = None,
        batch_norm: Literal["with_stage", "frozen", "adapting"] = "with_stage",
    ) -> None:
        super().__init__()
        if interval < 1:
            raise MisconfigurationException(f"FineTuning.interval is {interval}; it must be at least 1")
        self.policy, self.epoch, self.interval = policy, epoch, interval
        self.factor, self.names, self.batch_norm = factor, stages, batch_norm
        self.stages: list[list[nn.Module]] = []
        self.first = -1  # number of the lowest stage that is trained; the head has the greatest

    def first_trained(self, epoch: int) -> int:
        """Number of the lowest stage that is trained in an epoch; the head's is ``len(self.stages) - 1``."""
        head = len(self.stages) - 1
        if self.policy == "head_only":
            return head
        if self.policy == "all":
            return 0
        if epoch < self.epoch:
            return head
        return 0 if self.policy == "unfreeze_at" else max(0, head - 1 - (epoch - self.epoch) // self.interval)

    # ---- hooks, in the order in which they are called

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Cut the network into stages and freeze them, before it is wrapped for several devices."""
        if stage != "fit":
            return
        if trainer.world_size > 1 and self.policy != "head_only" and not isinstance(trainer.strategy, DDPStrategy):
            raise MisconfigurationException(
                f"FineTuning unfreezes stages on one device or with the strategy ddp, not with "
                f"{type(trainer.strategy).__name__}"
            )
        pl_module.configure_model()  # it is called again, and has nothing to do then
        nets = [module for module in pl_module.modules() if isinstance(module, PretrainedNet)]
        if nets and not any(net.is_pretrained for net in nets):
            rank_zero_warn(
                "FineTuning stays out: the network has no pretrained weights (model.net.weights), so all of it is "
                "trained from the start; configs/own/images_from_scratch.yaml has a smaller one for that"
            )
            return
        super().setup(trainer, pl_module, stage)

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        """Freeze what the first epoch does not train."""
        self.stages = find_stages(pl_module.get_submodule("net"), self.names)
        self._set_rates()
        self._freeze_below(self.first_trained(0))

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Freeze what the epoch of the checkpoint does not train."""
        if self.stages:
            self._freeze_below(self.first_trained(checkpoint["epoch"]))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fix the statistics: also within an epoch, when a run goes on from a checkpoint."""
        self._fix_statistics()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Unfreeze what is due."""
        if not self.stages:
            return
        before = self.first
        for optimizer in trainer.optimizers:
            self.finetune_function(pl_module, trainer.current_epoch, optimizer)
        strategy = trainer.strategy
        if self.first != before and isinstance(strategy, DDPStrategy):
            # DDP averages the gradients of the parameters that were trained when it was made. The old one is dropped
            # first, and its hooks with it.
            strategy.model = strategy.lightning_module
            strategy.configure_ddp()

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: Optimizer) -> None:
        """Unfreeze what is due. The optimizer has held all parameters from the start, each at its own rate."""
        if self.first_trained(epoch) != self.first:
            self._freeze_below(self.first_trained(epoch))
            rank_zero_info(f"epoch {epoch}: training {len(self.stages) - self.first} of {len(self.stages)} stages")
        self._fix_statistics()

    def state_dict(self) -> dict[str, object]:
        """Nothing: everything follows from the epoch."""
        return {}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Nothing to load."""

    # ---- what they do

    def _freeze_below(self, first: int) -> None:
        self.first = first
        for number, modules in enumerate(self.stages):
            for parameter in _parameters(modules):
                parameter.requires_grad = number >= first

    def _fix_statistics(self) -> None:
        for number, modules in enumerate(self.stages):
            frozen = self.batch_norm == "frozen" or (self.batch_norm == "with_stage" and number < self.first)
            for module in modules:
                if isinstance(module, _BatchNorm):
                    module.train(not frozen)

    def _set_rates(self) -> None:
        below = len(self.stages) - 1
        factors = self.factor if isinstance(self.factor, list) else [self.factor ** (below - i) for i in range(below)]
        if len(factors) != below:
            raise MisconfigurationException(
                f"FineTuning.factor has {len(factors)} values for {below} stages below the head"
            )
        for modules, factor in zip(self.stages, factors, strict=False):
            set_rate(_parameters(modules), factor)


def find_stages(net: nn.Module, names: Sequence[str] | None = None) -> list[list[nn.Module]]:
    """Cut a network into stages, from the input to the head.

    Args:
        net: The network. Its head is its attribute ``head``, else its last child.
        names: Names of modules with which stages begin. If not given, the blocks that the network is made of.

    Returns:
        For each stage, its modules that hold parameters themselves. The last stage is the head.

    Raises:
        MisconfigurationException: If there is no module of such a name below the head.
    """
    children = [child for child in net.children() if any(True for _ in child.parameters())]
    head = set((getattr(net, "head", None) or children[-1]).modules())
    body = {name: module for name, module in net.named_modules() if module not in head}
    starts = _blocks(net, head) if names is None else list(names)
    stages: list[list[nn.Module]] = [[]]
    met = 0
    for name, module in body.items():
        if met < len(starts) and f"{name}.".startswith(f"{starts[met]}."):
            met += 1
            if stages[-1]:
                stages.append([])
        if any(True for _ in module.parameters(recurse=False)) or isinstance(module, _BatchNorm):
            stages[-1].append(module)
    if met < len(starts):
        near = ", ".join(difflib.get_close_matches(starts[met], body, n=3))
        raise MisconfigurationException(
            f"FineTuning.stages: below the head there is no module {starts[met]}, or not in this place; nearest: {near}"
        )
    return [*stages, [module for module in net.modules() if module in head]]


def _blocks(net: nn.Module, head: set[nn.Module]) -> list[str]:
    """Names of the blocks: whatever holds nearly all parameters, or is a list of layers, is taken apart."""

    def size(module: nn.Module) -> int:
        return sum(p.numel() for part in module.modules() if part not in head for p in part.parameters(recurse=False))

    def parts(name: str) -> list[str]:
        children = [(f"{name}.{key}".lstrip("."), child) for key, child in net.get_submodule(name).named_children()]
        return [key for key, child in children if size(child)]

    def is_stack(name: str) -> bool:
        module = net.get_submodule(name)
        lists = [child for child in (module, *module.children()) if isinstance(child, nn.ModuleList)]
        return any(2 * size(child) > size(module) for child in lists)

    names, whole = parts(""), size(net)
    while taken := next(
        (n for n in names if parts(n) and (is_stack(n) or size(net.get_submodule(n)) > 0.8 * whole)), ""
    ):
        place = names.index(taken)
        names[place : place + 1] = parts(taken)
    # A norm belongs to the block before it.
    ours = {n: [part for part in net.get_submodule(n).modules() if part not in head] for n in names}
    return [n for n in names if any(p.ndim > 1 for p in _parameters(ours[n]))]


def _parameters(modules: Sequence[nn.Module]) -> Iterator[nn.Parameter]:
    for module in modules:
        yield from module.parameters(recurse=False)
