// Keys: j and k move, Enter opens, / searches, z enlarges, ? helps; 1, 2 and 0 label. Works on pages without it, too.
"use strict";

const rows = () => [...document.querySelectorAll("[data-row]")];

function move(step) {
  const all = rows();
  if (!all.length) {
    document.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    return;
  }
  const at = all.findIndex((row) => row.classList.contains("here"));
  const next = at + step;
  if (next >= all.length || next < (at < 0 ? -1 : 0)) {
    document.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    return;
  }
  all[at]?.classList.remove("here");
  const row = all[Math.max(next, 0)];
  row.classList.add("here");
  row.querySelector("a")?.focus();
  row.scrollIntoView({ block: "nearest" });
}

const zoom = () => document.querySelectorAll(".pictures").forEach((one) => one.classList.toggle("large"));

const actions = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => document.getElementById("search")?.focus(),
  z: zoom,
  "?": () => document.getElementById("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const labels = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  const action = labels ? () => labels.click() : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-help]")) actions["?"]();
  if (event.target.closest("[data-zoom]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    zoom();
  }
});
