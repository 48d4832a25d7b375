(function () {
  "use strict";

  // --- sorting: a click or Enter on a heading; once more turns the order round
  function key(row, column) {
    const cell = row.cells[column];
    return cell.dataset.sort !== undefined ? Number(cell.dataset.sort) : cell.textContent.trim().toLowerCase();
  }

  function compare(a, b) {
    const numbers = [typeof a === "number", typeof b === "number"];
    if (numbers[0] && numbers[1]) return a - b;
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  function sortBy(table, column) {
    const heads = Array.from(table.tHead.rows[0].cells);
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row, place) => ({ row, place, key: key(row, column) }));
    rows.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)) || a.place - b.place);
    body.append(...rows.map((entry) => entry.row));
  }

  document.querySelectorAll("table.sortable").forEach((table) => {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, column));
    });
  });

  // --- filtering: every word must occur in the row, and the chosen value in its column
  document.querySelectorAll("[data-filters]").forEach((controls) => {
    const table = document.getElementById(controls.dataset.filters);
    const text = controls.querySelector("[data-filter-text]");
    const choices = Array.from(controls.querySelectorAll("[data-filter-column]"));
    const count = controls.querySelector("[data-filter-count]");
    const rows = Array.from(table.tBodies[0].rows);
    const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

    function update() {
      const wanted = text ? text.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
      let shown = 0;
      rows.forEach((row) => {
        const fits = wanted.every((word) => words.get(row).includes(word)) && choices.every((choice) =>
          !choice.value || row.cells[Number(choice.dataset.filterColumn)].textContent.trim() === choice.value);
        row.hidden = !fits;
        if (fits) shown += 1;
      });
      if (count) count.textContent = `${shown} of ${rows.length} shown`;
    }

    controls.addEventListener("input", update);
    controls.hidden = false;
    update();
  });
})();
