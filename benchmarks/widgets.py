"""Cuánto tarda cada widget del sitio construido en redibujarse al mover sus deslizadores.

    python benchmarks/widgets.py                  # después de `make libro`; unos dos minutos

Se abre cada capítulo en un navegador sin pantalla. Cada deslizador visible pasa por nueve valores y
vuelve al suyo; se cronometra desde que recibe el valor hasta que la página tiene sus medidas.
"""

import argparse
import sys
from pathlib import Path

from comun import machine, summary
from tabla import README, RESULTS, publish

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from navegador import OPCIONES, buscar_chromium, como_instalarlo, servir  # noqa: E402

POSITIONS = 9
READY = """() => [...document.querySelectorAll('script[type$="widget-view+json"]')].every(
    (script) => script.nextElementSibling?.querySelector(".cw"))"""
MOVE = """(positions) => {
    const kind = (k) => [...document.querySelectorAll(`script[type$="widget-${k}+json"]`)];
    const states = Object.assign({}, ...kind("state").map((s) => JSON.parse(s.textContent).state));
    const move = (input, value) => {
        const start = performance.now();
        input.value = value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        document.body.getBoundingClientRect();
        return performance.now() - start;
    };
    return kind("view").flatMap((script) => {
        const { state } = states[JSON.parse(script.textContent).model_id];
        const widget = state._anywidget_id.split(".").at(-1);
        const inputs = [...script.nextElementSibling.querySelectorAll("input[type=range]")];
        return inputs.filter((input) => input.checkVisibility()).map((input) => {
            const [low, high, before] = [input.min, input.max, input.value].map(Number);
            const values = Array.from({ length: positions }, (_, k) => (4 * k) % positions)
                .map((k) => low + (high - low) * k / (positions - 1));
            move(input, values.at(-1)); // lo primero que se dibuja también compila
            const times = values.map((value) => move(input, value));
            move(input, before);
            return { widget, slider: input.getAttribute("aria-label"), times };
        });
    });
}"""


def measure(repetitions: int) -> list[dict]:
    """Los milisegundos de cada deslizador de cada capítulo, en cada repetición."""
    from playwright.sync_api import sync_playwright

    site = ROOT / "_build" / "html"
    chapters = sorted(path.stem for path in site.glob("notebooks/*.html"))
    if not chapters:
        raise SystemExit("No hay sitio que medir: construirlo antes con `make libro`.")
    executable = buscar_chromium()
    if executable is None:
        raise SystemExit(como_instalarlo())
    found = {}
    with servir(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPCIONES)
        for chapter in chapters:
            for _ in range(repetitions):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(120_000)
                page.goto(f"{address}/notebooks/{chapter}.html")
                page.wait_for_function(READY)
                for place, one in enumerate(page.evaluate(MOVE, POSITIONS)):
                    key = (chapter, place, one["widget"], one["slider"])
                    found.setdefault(key, []).extend(one["times"])
                page.close()
            print(f"  {chapter}", flush=True)
        browser.close()
    return [
        {"chapter": chapter, "widget": widget, "slider": slider, "times": times}
        for (chapter, _, widget, slider), times in found.items()
    ]


def digest(rows: list[dict]) -> list[dict]:
    """Un renglón por widget y capítulo: todos sus movimientos y el deslizador más lento."""
    groups = {}
    for row in rows:
        groups.setdefault((row["chapter"], row["widget"]), []).append(row)
    result = []
    for (chapter, widget), group in groups.items():
        slowest = max(group, key=lambda row: summary(row["times"])["median"])
        result.append(
            {
                "chapter": chapter,
                "widget": widget,
                "sliders": len(group),
                "ms": summary([t for row in group for t in row["times"]]),
                "slowest": slowest["slider"],
                "slowest_ms": summary(slowest["times"]),
            }
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "widgets.json")
    parser.add_argument("--readme", type=Path, default=README, help="dónde se pone la tabla")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    result = {"machine": machine(), "repetitions": options.repetitions, "positions": POSITIONS}
    result["rows"] = digest(measure(options.repetitions))
    publish("widgets", result, options.out, options.readme)


if __name__ == "__main__":
    main()
