"""Las fórmulas de schedules.js contra las de `course_lib.diffusion`, en el navegador."""

import numpy as np
import pytest
import torch
from widget_fixtures import LAWS  # noqa: F401

from course_lib.diffusion import DDPM
from course_lib.widgets.base import bundle


@pytest.fixture(scope="module")
def formulas(navegador):
    """Las funciones de schedules.js, importadas en una página en blanco."""
    page = navegador.new_page()
    source = bundle("common.js", "schedules.js")
    exported = "linearBetas, cosineBetas, sigmoidBetas, tabulate, LAWS, fmt, decibels, screenScale"
    page.evaluate(
        """async source => {
            const file = new Blob([source], {type: "text/javascript"});
            Object.assign(globalThis, await import(URL.createObjectURL(file)));
        }""",
        f"{source}\nexport {{ {exported} }};",
    )
    yield page
    page.close()


@pytest.mark.parametrize(
    ("call", "table"),
    [
        ("linearBetas(1000)", DDPM.linear(1000)),
        ("linearBetas(25)", DDPM.linear(25)),
        ("linearBetas(100, 0.002, 0.05)", DDPM.linear(100, 0.002, 0.05)),
        ("cosineBetas(1000)", DDPM.cosine(1000)),
        ("cosineBetas(50, 0.1)", DDPM.cosine(50, s=0.1)),
        ("cosineBetas(40, 0)", DDPM.cosine(40, s=0.0)),
        ("sigmoidBetas(1000)", DDPM.sigmoid(1000)),
        ("sigmoidBetas(200, 0, 3, 0.3)", DDPM.sigmoid(200, 0.0, 3.0, 0.3)),
        ("sigmoidBetas(30, -6, 0.5, 2)", DDPM.sigmoid(30, -6.0, 0.5, 2.0)),
    ],
)
def test_las_tablas_de_javascript_son_las_de_python(formulas, call, table):
    result = formulas.evaluate(f"tabulate({call})")
    t = torch.arange(table.T + 1, dtype=torch.float64) / table.T
    assert result["T"] == table.T
    expected = {
        "beta": table.betas,
        "posterior": table.posterior_variance,
        "snr": torch.exp(table.log_snr(t[1:])),
    }
    for key, values in expected.items():
        np.testing.assert_allclose(
            result[key][1:], values.numpy(), rtol=1e-7, atol=1e-15, err_msg=key
        )
    np.testing.assert_allclose(result["alphaBar"], table.alphas_bar.numpy(), rtol=1e-7, atol=1e-15)
    variance = table.sigma(t).numpy() ** 2
    np.testing.assert_allclose(result["sigma2"], variance, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("T", [30, 1000])
def test_las_leyes_de_javascript_son_las_de_python(formulas, name, T):
    result = np.array(
        formulas.evaluate(f"Array.from({{length: {T + 1}}}, (_, k) => LAWS['{name}']({T})(k))")
    )
    t = torch.arange(T + 1, dtype=torch.float64) / T
    law = LAWS[name](T)
    np.testing.assert_allclose(result[:, 0], law.alpha(t).numpy(), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(result[:, 1], law.sigma(t).numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("0.5", "0.500"),
        ("-12.345", "−12.3"),
        ("1234.5", "1235"),
        ("0.0000123", "1.23·10⁻⁵"),
        ("2.5e7", "2.50·10⁷"),
        ("1/0", "∞"),
        ("NaN", "—"),
        ("0.99996", "1.00"),
        ("999.7", "1000"),
    ],
)
def test_los_numeros_se_escriben_con_punto_decimal(formulas, value, text):
    assert formulas.evaluate(f"fmt({value})") == text
