"""Keywords of ``create_model`` that a type checker allows are the fields of the families' rows."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

import pytest

from seaformer.models._backbone import Blocks, SeaFormerRow, StageRow
from seaformer.models._blocks import BlockRow
from seaformer.models._fields import RowFields
from seaformer.models._mobileformer import DnaRow
from seaformer.models._plus_networks import PlusRow
from seaformer.models.convmlp import ConvMlpRow
from seaformer.models.edgevit import EdgeVitRow
from seaformer.models.efficientformer import EfficientFormerRow
from seaformer.models.efficientformerv2 import EfficientFormerV2Row
from seaformer.models.efficientnet import EfficientNetRow
from seaformer.models.efficientvit import EfficientVitRow
from seaformer.models.hrnet import HrNetRow
from seaformer.models.lvt import LvtRow
from seaformer.models.mobileformer import MobileFormerRow
from seaformer.models.mobilenetv1 import MobileNetV1Row
from seaformer.models.mobilenetv2 import MobileNetV2Row
from seaformer.models.mobilenetv3 import BneckRow, MobileNetV3Row
from seaformer.models.mobilenetv4 import MobileNetV4Row, StageRows
from seaformer.models.mobileone import MobileOneRow
from seaformer.models.mobilevit import MobileViTRow
from seaformer.models.mobilevitv2 import MobileViTV2Row
from seaformer.models.pp_mobileseg import StrideFormerRow
from seaformer.models.repvit import RepVitRow
from seaformer.models.resnet import ResNetRow
from seaformer.models.retinanet import RetinaNetRow
from seaformer.models.segformer import SegFormerRow
from seaformer.models.segnext import SegNextRow
from seaformer.models.setr import SetrRow
from seaformer.models.shufflenetv2 import ShuffleNetV2Row
from seaformer.models.topformer import TopFormerRow

ROWS: tuple[Any, ...] = (
    ConvMlpRow,
    EdgeVitRow,
    EfficientFormerRow,
    EfficientFormerV2Row,
    EfficientNetRow,
    EfficientVitRow,
    HrNetRow,
    LvtRow,
    MobileFormerRow,
    ShuffleNetV2Row,
    SeaFormerRow,
    PlusRow,
    MobileNetV1Row,
    MobileNetV2Row,
    MobileNetV3Row,
    MobileNetV4Row,
    MobileOneRow,
    MobileViTRow,
    MobileViTV2Row,
    RepVitRow,
    ResNetRow,
    RetinaNetRow,
    SegFormerRow,
    SegNextRow,
    SetrRow,
    StrideFormerRow,
    TopFormerRow,
)
NAMES = {
    "Blocks": Blocks,
    "SeaFormerRow": SeaFormerRow,
    "StageRow": StageRow,
    "BlockRow": BlockRow,
    "BneckRow": BneckRow,
    "StageRows": StageRows,
    "DnaRow": DnaRow,
}
TYPES = get_type_hints(RowFields, localns=NAMES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.__name__))
def test_every_field_of_a_row_is_a_keyword_of_its_type(row: Any) -> None:
    hints = get_type_hints(row)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(row)}
    assert {name: TYPES.get(name) for name in fields} == fields


def test_every_keyword_is_a_field_of_some_row() -> None:
    assert set(TYPES) == {field.name for row in ROWS for field in dataclasses.fields(row)}
