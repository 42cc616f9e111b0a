// Making elements. Text goes in as text only: names in the document come from files of strangers.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

let lastId = 0;
const freshId = (stem) => `${stem}-${++lastId}`;

function section(id, title, lead, ...children) {
  const heading = h("h2", { id: `${id}-title` }, title);
  const element = h(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    heading,
    lead ? h("p", { class: "lead" }, lead) : null,
    children.flat(2).filter((child) => child !== null),
  );
  document.getElementById("main").append(element);
  document.getElementById("contents").append(h("a", { href: `#${id}` }, title));
  return element;
}

function choice(label, options, change) {
  const id = freshId("choice");
  const select = h(
    "select",
    { id, onchange: () => change(Number(select.value)) },
    options.map((option, index) => h("option", { value: index }, option)),
  );
  return h("p", { class: "choice" }, h("label", { for: id }, label), " ", select);
}

// A figure: title, how to read it, the plot (drawn by `draw(width)`, again when the width changes),
// formula, and all its numbers as a table that is made when it is opened.
// null instead of a figure whose `marks` are none.
const drawn = [];

function figure({ id, title, read, formula, legend, draw, values, marks = null }) {
  if (marks !== null && !marks.some((mark) => mark.value !== null)) return null;
  const plot = h("div", { class: "plot" });
  listen(plot);
  const caption = h(
    "p",
    { class: "read", id: `${id}-read` },
    h("strong", {}, "How to read this: "),
    unbroken(read),
  );
  const heading = h("h3", {}, title);
  const key = h("div", { class: "legend" });
  const table = h("div");
  const numbers = h(
    "details",
    { class: "values", ontoggle: () => fill() },
    h("summary", {}, "Values as a table"),
    table,
  );
  const element = h(
    "figure",
    { id },
    h("figcaption", {}, heading, caption),
    key,
    plot,
    formula ? h("details", {}, h("summary", {}, "Formula"), h("div", { class: "formula" }, formula)) : null,
    values ? numbers : null,
  );

  function fill() {
    if (!numbers.open) return;
    const { columns, rows } = values();
    table.replaceChildren(sortableTable({ caption: `Values of: ${heading.textContent}`, columns, rows }));
  }
  const entry = {
    element,
    width: 0,
    redraw(width = plot.clientWidth) {
      this.width = width;
      if (!width) return;
      const svg = draw(width);
      // Plot names its groups ("line"), which only keeps screen readers from the marks' own names.
      for (const group of svg.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
      svg.setAttribute("role", "group");
      svg.setAttribute("aria-label", heading.textContent);
      svg.setAttribute("aria-describedby", `${id}-read`);
      plot.replaceChildren(svg);
      reachable(plot);
      key.replaceChildren(...(legend ? [legend()].flat() : []));
    },
  };
  element.update = (change = {}) => {
    if (change.title) heading.textContent = change.title;
    entry.redraw();
    fill();
  };
  drawn.push(entry);
  return element;
}

function redrawWhereWidthChanged() {
  for (const entry of drawn) {
    const width = entry.element.querySelector(".plot").clientWidth;
    if (width && width !== entry.width) entry.redraw();
  }
}

// No line ends between a number and its sign.
const unbroken = (words) => words.replaceAll(" %", "\u00a0%");
const note = (...children) => h("p", { class: "notice" }, ...children);
const lines = (...rows) => rows.map((row) => h("p", {}, row));
