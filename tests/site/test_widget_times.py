"""La medición de `benchmarks/widgets.py` mueve de verdad los deslizadores y los deja donde estaban."""

import sys

from widget_fixtures import ROOT, images, open_widgets, slider  # noqa: F401

from course_lib.widgets import BivariateNormal, ForwardNoising

WATCH = """() => {
    globalThis.seen = {};
    for (const input of document.querySelectorAll("input[type=range]")) {
        const values = seen[input.getAttribute("aria-label")] = [];
        input.addEventListener("input", () => values.push(Number(input.value)));
    }
}"""


def test_cada_deslizador_recorre_sus_valores_y_vuelve_al_suyo(open_widgets, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    from widgets import MOVE, READY

    page = open_widgets(ForwardNoising(images(), t=0.3, T=200), BivariateNormal(rho=0.5))
    page.wait_for_function(READY)
    page.evaluate(WATCH)
    rows = page.evaluate(MOVE, 9)
    assert {row["widget"] for row in rows} == {"ForwardNoising", "BivariateNormal"}
    labels = page.locator("input[type=range]").evaluate_all(
        "inputs => inputs.filter((i) => i.checkVisibility()).map((i) => i.ariaLabel)"
    )
    assert [row["slider"] for row in rows] == labels and len(set(labels)) == len(labels) > 3
    assert all(len(row["times"]) == 9 and sum(row["times"]) > 0 for row in rows)
    visited = page.evaluate("seen")[next(label for label in labels if "Instante" in label)]
    assert sorted(visited[1:10]) == [25 * k for k in range(9)] and visited[-1] == 60
    assert slider(page, "Instante").input_value() == "60"
