"""Las mediciones de `benchmarks/`: qué cuentan y qué escriben; los tiempos no se prueban."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

CARPETA = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def modulos(monkeypatch):
    monkeypatch.syspath_prepend(str(CARPETA))
    import comun
    import tabla
    import velocidad

    return comun, tabla, velocidad


def test_las_operaciones_de_una_convolucion_son_las_de_la_formula(modulos):
    comun, _, _ = modulos
    conv, x = nn.Conv2d(3, 5, 3, padding=1), torch.zeros(2, 3, 8, 8)
    forward = 2 * (2 * 8 * 8) * (3 * 3 * 3) * 5
    assert comun.count_flops(lambda: conv(x)) == forward
    # La vuelta solo necesita el gradiente de los pesos: x no lo pide.
    assert comun.count_flops(lambda: conv(x).sum().backward()) == 2 * forward


def test_las_dos_redes_tienen_el_mismo_tamano_y_las_mismas_operaciones(modulos):
    comun, _, _ = modulos
    ours, theirs = (comun.cost(library) for library in comun.LIBRARIES)
    assert ours["flops_forward"] == pytest.approx(theirs["flops_forward"], rel=0.005)
    assert ours["flops_step"] == pytest.approx(theirs["flops_step"], rel=0.005)
    for value in (ours, theirs):
        assert value["parameters"] == pytest.approx(1.15e6, rel=0.05)


def test_el_adaptador_numera_los_instantes_como_diffusers(modulos):
    comun, _, _ = modulos

    class Espia(nn.Module):
        def forward(self, x, k):
            self.visto = k
            return type("Salida", (), {"sample": x})

    espia = Espia()
    comun.FromDiffusers(espia)(torch.zeros(3, 1, 4, 4), torch.tensor([0.001, 0.5, 1.0]))
    torch.testing.assert_close(espia.visto, torch.tensor([0.0, 499.0, 999.0]), atol=1e-3, rtol=0)


def medidas(ours, theirs):
    """Dos bibliotecas con los segundos totales dados y 0.8 de ellos dentro de la red."""
    return {
        name: [
            {"total": s, "cpu": s, "network": 0.8 * s, "peak": 5.0, "added": 1.0} for s in seconds
        ]
        for name, seconds in (("curso", ours), ("diffusers", theirs))
    }


def test_el_resumen_de_las_repeticiones_es_el_calculado_a_mano(modulos):
    _, _, velocidad = modulos
    task = {"job": "sample", "batch": 8, "steps": 4}
    result = velocidad.digest(task, medidas([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]))
    assert result["curso"]["images_per_second"] == {"median": 4.0, "low": 2.0, "high": 8.0}
    assert result["ratio"] == {"median": 1.0, "low": 0.5, "high": 2.0}
    assert result["diffusers"]["overhead_percent"]["median"] == pytest.approx(25)
    assert result["diffusers"]["overhead_ms"]["median"] == pytest.approx(100)
    train = velocidad.digest(task | {"job": "train"}, medidas([2.0], [4.0]))
    assert train["curso"]["images_per_second"]["median"] == 16.0


def test_la_sobrecarga_no_incluye_el_tiempo_de_la_red(modulos):
    _, _, velocidad = modulos
    net = nn.Linear(2, 2)
    seconds = velocidad.watch(net)
    x = torch.ones(1, 2)
    torch.testing.assert_close(net(x), nn.functional.linear(x, net.weight, net.bias))
    net(x)
    assert len(seconds) == 2 and all(s > 0 for s in seconds)


def resultado(velocidad):
    machine = {"date": "2024-06-07", "cpu": "Máquina X", "cores": 2, "capability": "AVX2"}
    machine |= {"load": 0.1, "python": "3.11", "torch": "2.4", "diffusers": "0.30"}
    task = {"threads": 2, "precision": "bf16", "format": "channels_last", "batch": 64, "steps": 4}
    rows = {}
    for job in ("train", "sample"):
        digest = velocidad.digest(task | {"job": job}, medidas([1.0], [2.0]))
        rows[job] = [task | {"job": job} | digest]
    one = {"parameters": 1_191_233, "flops_forward": 497_508_352, "flops_step": 1_490_000_000}
    common = {"machine": machine, "batch": 64, "steps": 4, "repetitions": 1}
    return common | {"cost": {"curso": one, "diffusers": one}} | rows


def test_publicar_rehace_su_tabla_y_no_toca_lo_demas(modulos, tmp_path):
    _, tabla, velocidad = modulos
    readme, out = tmp_path / "README.md", tmp_path / "nueva" / "v.json"
    readme.write_text((CARPETA / "README.md").read_text())
    result = resultado(velocidad)
    tabla.publish("velocidad", result, out, readme)
    first = readme.read_text()
    tabla.publish("velocidad", result, out, readme)
    assert readme.read_text() == first, "publicar dos veces lo mismo no cambia nada"
    assert json.loads(out.read_text()) == result
    assert "2024-06-07 · Máquina X, 2 núcleos" in first
    row = "| 2 | bf16 | NHWC | 256.0 [256.0, 256.0] | 128.0 [128.0, 128.0] | 2.00 [2.00, 2.00] |"
    assert row in first
    assert "| curso | 1.191 | 497.5 | 1490.0 |" in first
    quality = "<!-- calidad:inicio -->"
    original = (CARPETA / "README.md").read_text()
    assert first.split(quality)[1] == original.split(quality)[1]


def test_todas_las_filas_de_una_tabla_tienen_las_mismas_columnas(modulos):
    _, tabla, velocidad = modulos
    blocks = tabla.speed(resultado(velocidad)).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 4
    for rows in tables:
        assert len({row.count("|") for row in rows}) == 1, rows


def test_la_tabla_de_calidad_lleva_el_suelo_al_lado(modulos):
    _, tabla, velocidad = modulos
    run = {"seed": 0, "steps": 7, "images": 448, "cpu_seconds": 600.0, "wall_seconds": 660.0}
    run |= {"test_loss": 0.05, "frechet": 12.345, "kernel": 0.5}
    result = {"machine": resultado(velocidad)["machine"], "minutes": 10, "precision": "bf16"}
    result |= {"format": "channels_last", "samples": 500, "sampling_steps": 50}
    result |= {"floor": {"frechet": 1.5, "kernel": 0.001}}
    result["runs"] = [run | {"library": "curso"}, run | {"library": "diffusers"}]
    text = tabla.quality(result)
    assert "| curso | 0 | 7 | 448 | 10.0 (11.0) | 0.0500 | 12.35 | 0.500 |" in text
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert rows[-1].endswith("| 1.50 | 0.001 |") and len({row.count("|") for row in rows}) == 1


def test_el_renglon_de_un_widget_reune_sus_deslizadores_y_nombra_el_mas_lento(modulos):
    _, tabla, velocidad = modulos
    import widgets

    def row(widget, slider, times):
        return {"chapter": "05_ddpm", "widget": widget, "slider": slider, "times": times}

    rows = [row("A", "Fila", [1.0, 9.0, 2.0]), row("B", "n", [7.0]), row("A", "Paso", [4.0, 5.0])]
    first, second = widgets.digest(rows)
    assert first["ms"] == {"median": 4.0, "low": 1.0, "high": 9.0} and first["sliders"] == 2
    assert first["slowest"] == "Paso" and first["slowest_ms"]["median"] == 4.5
    assert second["widget"] == "B"
    machine = resultado(velocidad)["machine"]
    text = tabla.widgets({"machine": machine, "positions": 9, "repetitions": 2, "rows": [first]})
    assert "| 05_ddpm | A | 2 | 4.0 [1.0, 9.0] | Paso | 4.5 [4.0, 5.0] |" in text


def test_sin_marcas_no_se_escribe_la_tabla(modulos):
    _, tabla, _ = modulos
    with pytest.raises(ValueError, match="velocidad:inicio"):
        tabla.replace_region("# Nada", "velocidad", "tabla")


def test_el_readme_tiene_las_marcas_de_las_tablas(modulos):
    _, tabla, _ = modulos
    text = tabla.README.read_text()
    for name in tabla.RENDER:
        assert "contenido" in tabla.replace_region(text, name, "contenido")
