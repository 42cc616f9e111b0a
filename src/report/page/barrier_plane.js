// Losses and errors on the plane through three models.

const half = (axis) => (axis[1] - axis[0]) / 2;

function planeFigure(p, c, measure) {
  const panel = measured.panels[p],
    curve = panel.curves[c];
  if (!curve[measure]) return null;
  const { title, format } = measures[measure];
  const { x, y } = measured;
  const cells = y.flatMap((below, j) =>
    x.map((left, i) => {
      const cell = number(`/panels/${p}/curves/${c}/${measure}/${j * x.length + i}`);
      return {
        ...cell,
        x1: left - half(x),
        x2: left + half(x),
        y1: below - half(y),
        y2: below + half(y),
        label: `${title} ${format(cell.value)} at (${significant(left)}, ${significant(below)})`,
      };
    }),
  );
  const known = cells.map((cell) => cell.value).filter((value) => value !== null);
  known.sort(d3.ascending);
  const color = (value) =>
    value === null ? "none" : ramp(d3.bisectLeft(known, value) / Math.max(1, known.length - 1));
  const places = measured.places.map(([left, below], m) => ({
    ...number(`/panels/${p}/curves/${c}/model_${measure}/${m}`),
    x: left,
    y: below,
    name: modelNames[m],
  }));
  for (const place of places) place.label = `${place.name}: ${title} ${format(place.value)}`;
  const levels = d3.range(1, 8).map((level) => d3.quantileSorted(known, level / 8));
  return figure({
    id: `plane-${p}-${c}-${measure}`,
    marks: cells,
    title: `${panel.task}, ${curveName(panel, curve)}: ${title}`,
    read: "every square is a model made from the three, which the dots show; the stronger the colour, the higher the value. Colours go by rank, as losses far outside are many times those between; lines join points of equal height.",
    draw: (width) =>
      Plot.plot({
        style,
        width,
        height: Math.min(width, 520),
        marginLeft: 48,
        marginBottom: 40,
        x: { label: "distance along B − A", labelAnchor: "center", labelArrow: "none" },
        y: { label: null },
        color: { type: "identity" },
        marks: [
          Plot.rect(cells, {
            x1: "x1",
            x2: "x2",
            y1: "y1",
            y2: "y2",
            fill: (d) => color(d.value),
            render: carrying(cells),
          }),
          Plot.contour(
            cells.map((cell) => cell.value ?? NaN),
            {
              width: x.length,
              height: y.length,
              x1: x[0] - half(x),
              x2: x.at(-1) + half(x),
              y1: y[0] - half(y),
              y2: y.at(-1) + half(y),
              thresholds: levels,
              fill: "none",
              stroke: "var(--ink)",
              strokeOpacity: 0.45,
              pointerEvents: "none",
            },
          ),
          Plot.dot(places, {
            x: "x",
            y: "y",
            r: 5,
            fill: "var(--surface)",
            stroke: "var(--ink)",
            strokeWidth: 1.5,
            render: carrying(places),
          }),
          Plot.text(places, {
            x: "x",
            y: "y",
            text: (d) => cut(d.name),
            dy: -13,
            fontWeight: 600,
            fill: "var(--ink)",
            stroke: "var(--surface)",
            strokeWidth: 3,
          }),
        ],
      }),
    values: () => ({
      columns: [
        { title: "Model" },
        { title: "x", number: true },
        { title: "y", number: true },
        { title, number: true, format },
      ],
      rows: places.map((place, m) => [place.name, number(`/places/${m}/0`), number(`/places/${m}/1`), place]),
    }),
  });
}
