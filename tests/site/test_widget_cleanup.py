"""Al quitar un widget no quedan escuchas, observadores ni reproducciones en marcha."""

import pytest
from test_widget_pages import (
    all_three,
    continuous,
    gaps_and_modes,
    gaussians,
    latents,
    likelihoods,
)
from widget_fixtures import open_widgets  # noqa: F401

RENDER_AND_REMOVE = """async () => {
    const text = document.querySelector('script[type$="state+json"]').textContent;
    const { state, buffers = [] } = Object.values(JSON.parse(text).state).find((r) => r.state._esm);
    for (const { path, data } of buffers) {
        const owner = path.slice(0, -1).reduce((node, key) => node[key], state);
        owner[path.at(-1)] = new DataView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
    }
    const [listeners, observers] = [new Set(), new Set()];
    let writes = 0;
    const emit = (event) => [...listeners].filter((l) => l.event === event).forEach((l) => l.f());
    const model = {
        get: (name) => state[name],
        set: (name, value) => { writes++; state[name] = value; emit(`change:${name}`); },
        save_changes: () => {},
        on: (event, f) => { listeners.add({ event, f }); },
        off: (event, f) => listeners.forEach((l) => l.event === event && l.f === f && listeners.delete(l)),
    };
    const Original = globalThis.ResizeObserver;
    globalThis.ResizeObserver = class extends Original {
        observe(target) { observers.add(this); super.observe(target); }
        disconnect() { observers.delete(this); super.disconnect(); }
    };
    const source = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const { render } = (await import(source)).default;
    const el = document.body.appendChild(document.createElement("div"));
    const remove = await render({ model, el });
    const during = [listeners.size, observers.size];
    const play = [...el.querySelectorAll("button")].find((b) => b.textContent === "Reproducir");
    play?.click();
    await remove();
    el.remove();
    writes = 0;
    await new Promise((done) => setTimeout(done, 700));
    return { during, after: [listeners.size, observers.size], writes, played: Boolean(play) };
}"""
SETS = [all_three, gaussians, likelihoods, latents, gaps_and_modes, continuous]
CASES = [(make, i) for make in SETS for i in range(len(make()))]


@pytest.mark.parametrize(("make", "i"), CASES, ids=[type(make()[i]).__name__ for make, i in CASES])
def test_al_quitarlo_no_queda_nada(open_widgets, make, i):  # noqa: F811
    found = open_widgets(make()[i]).evaluate(RENDER_AND_REMOVE)
    assert sum(found["during"]) > 0
    assert (found["after"], found["writes"]) == ([0, 0], 0)
    if type(make()[i]).__name__ in ("LatentSpace", "ELBOGap", "ModeCoverage", "ParticleFlow"):
        assert found["played"] and found["during"][0] > 0
