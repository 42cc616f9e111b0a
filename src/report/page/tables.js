// Tables whose columns sort by buttons in their heads.

// columns: {title, number?: true, format?, wrap?: true}; rows: arrays of cells, each a
// value or {value, from, shade?, text?}. null sorts last, whatever the direction.
function sortableTable({ caption, columns, rows, most = Infinity, id = null }) {
  const body = h("tbody");
  const head = h("tr");
  const state = { column: null, descending: false, most };
  const wrap = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption });
  const cellOf = (cell) => (cell !== null && typeof cell === "object" ? cell : { value: cell });

  function fill() {
    const sorted = [...rows];
    if (state.column !== null) {
      const value = (row) => cellOf(row[state.column]).value ?? null;
      const order = (a, b) =>
        typeof a === "number" && typeof b === "number"
          ? a - b
          : String(a).localeCompare(String(b), "en", { numeric: true });
      sorted.sort((a, b) => {
        const x = value(a),
          y = value(b);
        if (x === null || y === null) return (x === null) - (y === null);
        return (state.descending ? -1 : 1) * order(x, y);
      });
    }
    body.replaceChildren(
      ...sorted.slice(0, state.most).map((row) =>
        h(
          "tr",
          {},
          row.map((entry, index) => {
            const cell = cellOf(entry),
              column = columns[index];
            const shown = cell.text ?? (column.format ?? (column.number ? significant : text))(cell.value);
            const attributes = {
              class: [column.number && "number", column.wrap && "wrap"].filter(Boolean).join(" ") || null,
              "data-value": cell.from ? cell.value : null,
              "data-from": cell.from ?? null,
              style: cell.shade ? `background: ${cell.shade}` : null,
            };
            return index === 0 ? h("th", { scope: "row", ...attributes }, shown) : h("td", attributes, shown);
          }),
        ),
      ),
    );
    more.hidden = sorted.length <= state.most;
  }

  columns.forEach((column, index) => {
    const th = h("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": "none" });
    th.append(
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            const again = state.column === index;
            state.descending = again ? !state.descending : Boolean(column.number);
            state.column = index;
            for (const other of head.children) other.setAttribute("aria-sort", "none");
            th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
            fill();
          },
        },
        column.title,
      ),
    );
    head.append(th);
  });
  const more = h(
    "p",
    { class: "choice" },
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          state.most = Infinity;
          fill();
        },
      },
      `Show all ${whole(rows.length)} rows`,
    ),
  );
  wrap.append(h("table", { id }, h("caption", {}, caption), h("thead", {}, head), body));
  fill();
  return h("div", { class: "table" }, wrap, more);
}

// A cell with the colour of a heat scale behind it; the text stays readable on it (page.css).
const shaded = (cell, scale) =>
  cell.value === null
    ? cell
    : { ...cell, shade: `color-mix(in oklab, ${scale.color(cell.value)} 32%, transparent)` };
