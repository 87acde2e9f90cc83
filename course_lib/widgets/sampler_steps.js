// Los muestreadores deterministas, un paso cada uno, como en course_lib.diffusion.samplers.

/** Lo que el eliminador exacto dice en t: x̂_0 y la velocidad f·x − ½g²·score de la ODE de flujo. */
function exactModel(mixture, law) {
  const at = (t) => diffuseMixture(mixture, law.alpha(t), law.sigma(t));
  return {
    denoise: (x, t) => at(t).denoise(x),
    velocity: (x, t) => {
      const [f, half, score] = [law.f(t), law.g2(t) / 2, at(t).score(x)];
      return x.map((v, i) => f * v - half * score[i]);
    },
  };
}

/** Un paso de x_t a x_s, con s < t: cada método devuelve el estado nuevo. `memory` es suya de paso a paso. */
const SAMPLER_STEPS = {
  euler: (model, law, x, t, s) => {
    const v = model.velocity(x, t);
    return x.map((value, i) => value + (s - t) * v[i]);
  },
  heun: (model, law, x, t, s) => {
    const first = model.velocity(x, t);
    const second = model.velocity(x.map((value, i) => value + (s - t) * first[i]), s);
    return x.map((value, i) => value + ((s - t) * (first[i] + second[i])) / 2);
  },
  ddim: (model, law, x, t, s) => exponentialStep(law, x, t, s, model.denoise(x, t)),
  dpmpp_2m: (model, law, x, t, s, memory) => {
    const [x0, h] = [model.denoise(x, t), lambdaAt(law, s) - lambdaAt(law, t)];
    const inverse = memory.x0 ? h / (2 * memory.h) : 0;
    const estimate = memory.x0 ? x0.map((v, i) => (1 + inverse) * v - inverse * memory.x0[i]) : x0;
    Object.assign(memory, { x0, h });
    return exponentialStep(law, x, t, s, estimate);
  },
};

const CALLS = { euler: 1, heun: 2, ddim: 1, dpmpp_2m: 1 }; // evaluaciones por paso

/** x_s = (σ_s/σ_t)·x_t − α_s·(e^(−h) − 1)·x̂_0, con h = λ_s − λ_t: exacto si x̂_0 no cambiara. */
function exponentialStep(law, x, t, s, x0) {
  const h = lambdaAt(law, s) - lambdaAt(law, t);
  const [keep, add] = [law.sigma(s) / law.sigma(t), -law.alpha(s) * Math.expm1(-h)];
  return x.map((v, i) => keep * v + add * x0[i]);
}

/** El camino por la rejilla: todos los estados, el de partida incluido. */
function samplePath(method, model, law, start, grid) {
  const [states, memory] = [[start], {}];
  for (let i = 0; i + 1 < grid.length; i++) {
    states.push(SAMPLER_STEPS[method](model, law, states[i], grid[i], grid[i + 1], memory));
  }
  return states;
}
