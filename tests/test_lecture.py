"""Las herramientas de los cuadernos: `verify` tiene que poder fallar."""

import math

import pytest
import torch

from course_lib.diffusion.predictions import Prediction
from course_lib.lecture import seeded, show_source, verify


@pytest.mark.parametrize("value", [1.2, math.nan, torch.tensor([1.0, math.nan, 1.0])])
def test_verify_detiene_el_cuaderno_si_no_coinciden(value):
    with pytest.raises(AssertionError, match="área: el error es"):
        verify("área", value, 1.0, 0.1)


@pytest.mark.parametrize(
    ("value", "tolerance", "printed"),
    [
        (1.05, 0.1, "error 0.05, se admitía 0.1"),
        (1.001, 0.1, "error ≤ 0.1"),
        (1 + 1e-10, 1e-9, "error ≤ 1e-09"),
    ],
)
def test_verify_dice_el_error_solo_donde_importa(capsys, value, tolerance, printed):
    verify("área", value, 1.0, tolerance)
    assert capsys.readouterr().out == f"✓ área: coinciden ({printed})\n"


def test_show_source_admite_propiedades(capsys):
    show_source(Prediction.score)
    assert "Markdown" in capsys.readouterr().out


def test_seeded_repite():
    assert torch.equal(torch.randn(3, generator=seeded(4)), torch.randn(3, generator=seeded(4)))
