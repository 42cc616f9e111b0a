// What a mark of a plot says: its number and where it is from as attributes, its name to screen
// readers, and a label beside it when the pointer or the keyboard is on it.

// For Plot's `render`: every mark carries its datum. d.value, d.from, d.label are those of the datum.
function carrying(data) {
  return (index, scales, values, dimensions, context, next) => {
    const group = next(index, scales, values, dimensions, context);
    for (const node of group?.children ?? []) {
      const d = data[node.__data__];
      if (!d) continue;
      node.setAttribute("class", "datum");
      node.setAttribute("data-value", d.value);
      node.setAttribute("data-from", d.from);
      node.setAttribute("role", "img");
      node.setAttribute("aria-label", d.label);
      node.setAttribute("tabindex", "-1");
    }
    return group;
  };
}

const tip = document.getElementById("tip");

function showTip(mark) {
  const box = mark.getBoundingClientRect();
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const width = tip.offsetWidth,
    height = tip.offsetHeight;
  const left = Math.min(
    Math.max(4, box.left + box.width / 2 - width / 2),
    document.documentElement.clientWidth - width - 4,
  );
  const above = box.top - height - 8;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${(above < 4 ? box.bottom + 8 : above) + window.scrollY}px`;
}
const hideTip = () => {
  tip.hidden = true;
};

// The next mark in the direction of an arrow key: nearest along it, sideways distance counted double.
function neighbour(marks, from, [dx, dy]) {
  const centre = (mark) => {
    const box = mark.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const [x, y] = centre(from);
  let best = null,
    least = Infinity;
  for (const mark of marks) {
    const [mx, my] = centre(mark);
    const along = (mx - x) * dx + (my - y) * dy;
    const across = Math.abs((mx - x) * dy) + Math.abs((my - y) * dx);
    if (along < 0.5) continue;
    const distance = along + 2 * across;
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// One stop of the Tab key for each plot; arrow keys, Home and End move within it.
const marksOf = (plot) => [...plot.querySelectorAll(".datum")];
const reachable = (plot) => plot.querySelector(".datum")?.setAttribute("tabindex", "0");

function move(plot, to) {
  if (!to) return;
  for (const other of plot.querySelectorAll(".datum[tabindex='0']")) other.setAttribute("tabindex", "-1");
  to.setAttribute("tabindex", "0");
  to.focus();
}

function listen(plot) {
  const over = (event) => {
    const mark = event.target.closest(".datum");
    if (mark) showTip(mark);
    else hideTip();
  };
  plot.addEventListener("focusin", over);
  plot.addEventListener("focusout", hideTip);
  plot.addEventListener("pointerover", over);
  plot.addEventListener("pointerleave", hideTip);
  plot.addEventListener("keydown", (event) => {
    const here = event.target.closest(".datum");
    if (!here) return;
    if (event.key in directions) move(plot, neighbour(marksOf(plot), here, directions[event.key]));
    else if (event.key === "Home") move(plot, marksOf(plot)[0]);
    else if (event.key === "End") move(plot, marksOf(plot).at(-1));
    else return;
    event.preventDefault();
  });
}
