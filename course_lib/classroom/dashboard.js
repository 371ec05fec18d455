"use strict";

// Sort a table by the column whose button was pressed: first upwards, then downwards. Equal rows keep their order.
function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows].sort((a, b) =>
      (down ? -1 : 1) * compare(value(a, head.cellIndex), value(b, head.cellIndex)));
    body.append(...rows);
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    document.getElementById("said").textContent =
      `Sorted by ${button.textContent}, ${down ? "descending" : "ascending"}.`;
  });
}
