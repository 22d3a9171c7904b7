"""Every error a user can meet, with the exit code the command line ends with.

    SeaFormerError                                                                  1
    ├── UserError           UnknownName  MissingExtra  UsageError                   2
    ├── ProofError                                                                  3
    │   ├── ModelError      ShapeError  WeightsMismatch
    │   ├── ExportError     UnsupportedOperator  ParityError
    │   ├── ArtifactError   ChecksumMismatch  SchemaTooNew  CorruptArtifact
    │   └── DataError
    ├── DeviceError         NoDevice  ManyDevices  Unauthorized  NoPermission       4
    │                       DeviceOffline  NotBooted  DeviceLost  DeviceTimeout
    │                       DeviceFull  DeviceBusy  RunnerFailed
    ├── MeasurementRefused  TooHot  Throttled  Charging  LowBattery                 5
    │                       PinningBroken
    ├── Diverged                                                                    1
    └── Regression                                                                  6

The message has what was expected and what was seen; ``hint`` is one sentence: what to do.
They are caught once, in ``cli.py``. 130 is what an interrupted command (Ctrl-C) ends with.
"""

from __future__ import annotations

from typing import ClassVar


class SeaFormerError(Exception):
    """Anything that went wrong and that a user can do something about."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(SeaFormerError):
    """The request itself cannot be served."""

    exit_code = 2


class UnknownName(UserError):
    """A model, format, device or other name that is not registered."""


class MissingExtra(UserError):
    """An optional dependency or tool is not installed; the hint is the line that installs it."""


class UsageError(UserError):
    """An option has a value it cannot have."""


class ProofError(SeaFormerError):
    """An invalid model or file."""

    exit_code = 3


class ModelError(ProofError):
    """A model cannot be built as asked."""


class ShapeError(ModelError):
    """An input size the network cannot take."""


class WeightsMismatch(ModelError):
    """A checkpoint does not fit the model: missing, extra or misshapen keys, or no checkpoint."""


class ExportError(ProofError):
    """A model could not be written in the format asked for."""


class UnsupportedOperator(ExportError):
    """The format has no operator for something the model does."""


class ParityError(ExportError):
    """The exported file does not compute what the model computes."""


class ArtifactError(ProofError):
    """A file that was exported earlier cannot be used."""


class ChecksumMismatch(ArtifactError):
    """The file is not the one its manifest describes."""


class SchemaTooNew(ArtifactError):
    """Written by a newer seaformer than this one."""


class CorruptArtifact(ArtifactError):
    """Truncated, unreadable, or of another format than its suffix."""


class DataError(ProofError):
    """A data set, or a file of one, that lacks something or cannot be read."""


class DeviceError(SeaFormerError):
    """The machine that should run the model did not."""

    exit_code = 4


class NoDevice(DeviceError):
    """Nothing is attached, or not the serial that was asked for."""


class ManyDevices(DeviceError):
    """More than one device is ready and none was chosen."""


class Unauthorized(DeviceError):
    """The phone has not accepted this computer's key."""


class NoPermission(DeviceError):
    """The phone is on USB, and this user may not open it."""


class DeviceOffline(DeviceError):
    """The phone is listed but does not answer."""


class NotBooted(DeviceError):
    """The phone runs no Android: recovery, sideload, bootloader, or it is still starting."""


class DeviceLost(DeviceError):
    """The connection broke and could not be made again."""


class DeviceTimeout(DeviceError):
    """The device took longer than the call allows."""


class DeviceFull(DeviceError):
    """No space is left where the run has to write."""


class DeviceBusy(DeviceError):
    """Another bench holds the device."""


class RunnerFailed(DeviceError):
    """The runner ended with an error, was killed, or printed something other than a report."""


class MeasurementRefused(SeaFormerError):
    """A number could have been produced, but not one that can be trusted."""

    exit_code = 5


class TooHot(MeasurementRefused):
    """The device is above the temperature or thermal status at which a run may start."""


class Throttled(MeasurementRefused):
    """The core did not keep its frequency."""


class Charging(MeasurementRefused):
    """The device is charging, which heats it."""


class LowBattery(MeasurementRefused):
    """Too little charge for a run to end at the speed it began."""


class PinningBroken(MeasurementRefused):
    """Samples were taken off the chosen core."""


class Diverged(SeaFormerError):
    """A training whose loss or weights are not finite; its last checkpoint is kept."""


class Regression(SeaFormerError):
    """A gate found the new result worse than the base."""

    exit_code = 6
