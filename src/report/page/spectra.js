// The shape of a change: how few directions hold it, and how they lie to those of the base.

const powersOfTwo = (most) =>
  d3
    .range(Math.floor(Math.log2(most)) + 1)
    .map((power) => 2 ** power)
    .concat(Number.isInteger(Math.log2(most)) ? [] : [most]);

// Of all weights of a role: the share of the squared change in the r largest singular directions of
// each. Weights with fewer than r directions are whole.
function energyByRank(role, i) {
  const members = analysis.tensors.filter((tensor) => tensor.role === role && tensor.changes[i]?.spectrum);
  const total = d3.sum(members, (tensor) => tensor.changes[i].norm ** 2);
  const longest = d3.max(members, (tensor) => tensor.changes[i].spectrum.singular_values.length) ?? 0;
  if (!total) return [];
  return powersOfTwo(longest).map((rank) => {
    const held = d3.sum(members, (tensor) =>
      d3.sum(tensor.changes[i].spectrum.singular_values.slice(0, rank), (s) => s * s),
    );
    return { rank, ...derived(held / total, `energy ${role} ${i} ${rank}`) };
  });
}

function energyFigure() {
  const roles = [
    ...new Set(
      analysis.tensors
        .filter((tensor) => tensor.changes.some((change) => change.spectrum))
        .map((tensor) => tensor.role),
    ),
  ].sort(byRole);
  const points = roles.flatMap((role) =>
    models.flatMap((model, i) =>
      energyByRank(role, i).map((point) => ({
        ...point,
        panel: role,
        series: i,
        x: point.rank,
        y: point.value,
        label: `${model}, ${shortRole(role)}: the ${point.rank} largest directions hold ${percent(point.value)}`,
      })),
    ),
  );
  if (!points.length) return note("No singular values are in this document.");
  const most = d3.max(points, (point) => point.rank);
  return figure({
    id: "energy",
    title: "How few directions hold the change",
    read: "a curve that is high at the left means that a few directions hold most of the change, so that a low rank carries it; one along the bottom means that the change is spread over many.",
    formula: lines(
      "E(r) = Σ s₁² + … + s_r² over all weights of the role / Σ |D|², with s₁ ≥ s₂ ≥ … the singular values of D.",
      "The best approximation of rank r has the relative error √(1 − E(r)) (Eckart and Young 1936).",
    ),
    legend: () => seriesKey(models),
    draw: (width) =>
      linePlot(points, width, {
        panels: roles,
        columns: fewColumns(width, 4),
        panelHeight: 140,
        x: {
          type: "log",
          base: 2,
          domain: [1, most],
          label: "rank r",
          ticks: powersOfTwo(most).filter((_, i) => i % 2 === 0),
          tickFormat: (d) => `${d}`,
        },
        y: { domain: [0, 1], tickFormat: (d) => `${100 * d} %` },
      }),
    values: () => ({
      columns: [
        { title: "Role" },
        { title: "Fine-tune" },
        { title: "Rank", number: true, format: whole },
        { title: "Held", number: true, format: percent },
      ],
      rows: points.map((point) => [
        point.panel,
        models[point.series],
        point.rank,
        { value: point.value, from: point.from },
      ]),
    }),
  });
}

const zoneNames = { I: "zone I", II: "zone II", II_III: "zones II + III" };

function zonesFigure() {
  const points = Object.keys(zoneNames).flatMap((zone) =>
    models.flatMap((model, i) =>
      layers.map((layer, l) => {
        const share = number(`/layers/${l}/changes/${i}/zones/${zone}`);
        return {
          ...share,
          panel: zoneNames[zone],
          series: i,
          module: moduleOf(l),
          x: layer,
          y: share.value,
          label: `${model}, layer ${layer}, ${zoneNames[zone]}: ${percent(share.value)}`,
        };
      }),
    ),
  );
  return figure({
    id: "zones",
    marks: points,
    title: "In which directions of the base the change lies",
    read: "zone I is what the base already uses most, zone II what it uses little, zone III what it does not use at all. A change that lies in II and III leaves what the base can do nearly untouched; one in I writes over it.",
    formula: lines(
      "W₀ = U S Vᵀ; the first k directions, which hold half of the sum of the singular values, are zone I, the others zone II, those that W₀ has no singular value for zone III.",
      "share of zone a = |U_a U_aᵀ D V_a V_aᵀ|² / |D|². The shares do not add up to 1: what maps from one zone into another is in none of them.",
      "Source: SMILE, arXiv 2408.10174; mean over the layer’s linear weights, weighted by |D|².",
    ),
    legend: () => seriesKey(models),
    draw: (width) =>
      linePlot(points, width, {
        panels: Object.values(zoneNames),
        columns: fewColumns(width, 3),
        x: layerAxis(6, width / fewColumns(width, 3)),
        y: { domain: [0, 1], tickFormat: (d) => `${100 * d} %` },
      }),
    values: () => ({
      columns: [
        { title: "Fine-tune" },
        { title: "Layer", number: true, format: text },
        ...Object.values(zoneNames).map((title) => ({ title, number: true, format: percent })),
      ],
      rows: models.flatMap((model, i) =>
        layers.map((layer, l) => [
          model,
          layer,
          ...Object.keys(zoneNames).map((zone) => number(`/layers/${l}/changes/${i}/zones/${zone}`)),
        ]),
      ),
    }),
  });
}

function spectra() {
  section("shape", "The shape of the change", null, energyFigure(), zonesFigure());
}
