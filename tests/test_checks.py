"""Las comprobaciones aceptan lo correcto y reconocen cada error; nadie más lo demuestra."""

import pytest
import torch
from checks_harness import EXERCISES, NAMES, SOLUTIONS, public, verdict

from course_lib import checks
from course_lib.checks import core, diagnosis
from course_lib.checks.attempt import part_of, run
from course_lib.checks.core import PENDING, REGISTRY, RIGHT, WRONG
from course_lib.checks.progress import chapter_of


def ordered(chapter):
    """Los ejercicios de un capítulo, por su número."""
    mine = [e for e in REGISTRY if chapter_of(e.number) == chapter]
    return sorted(mine, key=lambda e: int(e.number.split(".")[1]))


SLIPS = [(name, slip) for name in NAMES for slip in EXERCISES[name].slips]


@pytest.fixture(autouse=True)
def clean_session():
    """Cada prueba empieza sin nada resuelto."""
    core.STATES.clear()
    yield
    core.STATES.clear()


def test_los_nombres_no_se_repiten_y_los_numeros_van_seguidos():
    assert len(EXERCISES) == len(REGISTRY)
    for chapter in checks.CHAPTERS:
        numbers = [e.number for e in ordered(chapter)]
        assert numbers == [f"{chapter}.{n}" for n in range(1, len(numbers) + 1)]


def test_el_capitulo_de_ddpm_tiene_sus_diez_ejercicios():
    assert [exercise.name for exercise in ordered(5)] == (
        "alphas_bar perturb posterior gaussian_kl x0_from_eps simple_loss "
        "ancestral_step ddim_step guided_eps ema_update"
    ).split()


@pytest.mark.parametrize("name", NAMES)
def test_sin_completar_queda_pendiente(name):
    def stub(*args):
        raise NotImplementedError

    def stub_with_message(*args):
        raise NotImplementedError("pendiente de escribir")

    for f in (stub, stub_with_message):
        state, message = verdict(name, f)
        assert state == PENDING and message.startswith("… Pendiente:")


@pytest.mark.parametrize("name", NAMES)
def test_una_solucion_escrita_aparte_es_correcta(name):
    """Ni el oráculo ni el catálogo intervienen: fórmulas equivalentes, en otro orden."""
    state, message = verdict(name, SOLUTIONS[name])
    assert state == RIGHT and message.startswith("✓ Correcto"), message


@pytest.mark.parametrize("name", NAMES)
def test_el_oraculo_de_la_biblioteca_es_correcto(name):
    assert verdict(name, EXERCISES[name].oracle)[0] == RIGHT


@pytest.mark.parametrize("name", NAMES)
def test_el_catalogo_tiene_al_menos_dos_errores_y_sus_frases_son_distintas(name):
    hints = [slip.hint for slip in EXERCISES[name].slips]
    assert len(hints) >= 2 and len(set(hints)) == len(hints)
    assert all(a is b or a not in b for a in hints for b in hints)


@pytest.mark.parametrize(("name", "slip"), SLIPS, ids=[f"{n}-{s.name}" for n, s in SLIPS])
def test_cada_error_del_catalogo_recibe_su_frase_y_no_la_de_otro(name, slip):
    state, message = verdict(name, slip.wrong)
    said = [s.name for s in EXERCISES[name].slips if " ".join(s.hint.split()) in message]
    assert (state, said) == (WRONG, [slip.name]), message


@pytest.mark.parametrize("name", NAMES)
def test_dos_errores_del_catalogo_nunca_se_confunden(name):
    """Con los casos de la prueba, cada pareja difiere en alguna salida que no sea la correcta."""
    exercise = EXERCISES[name]
    cases = [case.args for case in exercise.cases()]
    names = [str(i) for i in range(len(cases[0]))]
    everyone = {s.name: [run(s.wrong, args, names) for args in cases] for s in exercise.slips}
    right = [run(exercise.oracle, args, names) for args in cases]
    for index, part in enumerate(exercise.parts):
        loose = part in exercise.broadcast
        wrong = {k: part_of(o, index) for k, o in everyone.items()}
        wrong = {
            k: v for k, v in wrong.items() if not diagnosis.alike(v, part_of(right, index), loose)
        }
        for a in wrong:
            twins = [b for b in wrong if b != a and diagnosis.alike(wrong[a], wrong[b], loose)]
            assert not twins, (part, a, twins)


def test_el_resultado_no_muestra_nada_mas_en_el_cuaderno():
    result = checks.ddpm.ema_update(lambda m, n, d: m)
    assert result._ipython_display_() is None
    assert repr(result) == "Result(state='incorrecto')"
    assert "<" not in result.message


def test_dos_veces_dice_lo_mismo_y_no_toca_el_azar_del_cuaderno():
    def noisy(m, n, d):
        return m + torch.randn_like(m)

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    messages = {verdict("ema_update", noisy)[1] for _ in range(2)}
    assert len(messages) == 1
    assert torch.equal(torch.rand(2), expected)


def test_los_renglones_caben_en_pantalla():
    for name in NAMES:
        for slip in EXERCISES[name].slips:
            message = public(name)(slip.wrong).message
            assert max(map(len, message.splitlines())) <= 80


def test_progreso(capsys):
    def stub(betas):
        raise NotImplementedError

    checks.progreso(5)
    assert "Resueltos: 0 de 10. Se puede empezar por el 5.1" in capsys.readouterr().out
    checks.ddpm.alphas_bar(stub)
    checks.ddpm.perturb(EXERCISES["perturb"].oracle)
    checks.ddpm.posterior(EXERCISES["posterior"].slips[0].wrong)
    capsys.readouterr()
    checks.progreso()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Ejercicios del capítulo 5" and len(lines) == 12
    assert [line.split()[0] for line in lines[1:5]] == ["…", "✓", "✗", "…"]
    assert [line.split()[-1] for line in lines[1:4]] == [PENDING, RIGHT, WRONG]
    assert lines[-1].startswith("Resueltos: 1 de 10. El 5.3 está cerca")
    for exercise in ordered(5):
        public(exercise.name)(exercise.oracle)
    capsys.readouterr()
    checks.progreso(5)
    assert "Resueltos: 10 de 10. ¡Están todos!" in capsys.readouterr().out


def test_progreso_de_un_capitulo_sin_ejercicios():
    with pytest.raises(ValueError, match="chapter=7 no tiene ejercicios"):
        checks.progreso(7)
