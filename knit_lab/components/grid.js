// A table whose rows can be chosen by mouse and by keys. All that people wrote is set as text, never as markup.
function chipOf(tag) {
  const chip = document.createElement("span"), key = document.createElement("b");
  const colon = tag.indexOf(":");
  key.textContent = colon < 0 ? tag : tag.slice(0, colon);
  chip.append(key, colon < 0 ? "" : tag.slice(colon));
  chip.className = "knit-grid-chip";
  chip.title = tag;
  return chip;
}

function cellOf(cell, spec) {
  if (spec.chips) {
    const key = JSON.stringify(spec.chips);
    if (cell.dataset.chips !== key) {
      cell.dataset.chips = key;
      cell.replaceChildren(...spec.chips.map(chipOf));
    }
  } else if (cell.textContent !== spec.text) {
    delete cell.dataset.chips;
    cell.textContent = spec.text;
  }
  const title = spec.title ?? spec.text;
  if (cell.title !== title) cell.title = title;
  const tone = spec.chips ? "knit-grid-chips" : spec.tone ? `knit-tone-${spec.tone}` : "";
  if (cell.className !== tone) cell.className = tone;
}

function sized(parent, count, make) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) parent.append(make());
}

export default {
  render({ model, el }) {
    el.classList.add("knit-grid");
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // else arrow keys would move the notebook's cells
    const table = document.createElement("table");
    table.setAttribute("role", "grid");
    const head = table.createTHead().insertRow();
    const body = table.createTBody();
    const empty = document.createElement("div");
    empty.className = "knit-grid-empty";
    el.append(table, empty);

    const choose = (row) => {
      if (!row?.dataset.id) return;
      model.set("chosen", row.dataset.id);
      model.save_changes();
    };
    const rowOf = () => {
      const row = document.createElement("tr");
      row.setAttribute("role", "row");
      return row;
    };
    const draw = () => {
      const columns = model.get("columns"), rows = model.get("rows"), chosen = model.get("chosen");
      table.setAttribute("aria-label", model.get("label"));
      sized(head, columns.length, () => {
        const cell = document.createElement("th");
        cell.scope = "col";
        return cell;
      });
      columns.forEach((name, at) => { head.children[at].textContent = name; });
      sized(body, rows.length, rowOf);
      const hasChosen = rows.some((row) => row.id === chosen);
      rows.forEach((spec, at) => {
        const row = body.children[at];
        row.dataset.id = spec.id;
        row.setAttribute("aria-selected", String(spec.id === chosen));
        row.tabIndex = spec.id === chosen || (!hasChosen && at === 0) ? 0 : -1;
        sized(row, columns.length, () => {
          const cell = document.createElement("td");
          cell.setAttribute("role", "gridcell");
          return cell;
        });
        columns.forEach((_, column) => cellOf(row.children[column], spec.cells[column] ?? { text: "" }));
      });
      table.hidden = rows.length === 0;
      empty.hidden = rows.length > 0;
      empty.textContent = model.get("empty");
    };
    body.addEventListener("click", (event) => choose(event.target.closest("tr")));
    body.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr");
      const to = {
        ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling,
        Home: body.firstElementChild, End: body.lastElementChild,
      }[event.key];
      if (event.key === "Enter" || event.key === " ") choose(row);
      else if (to) to.focus();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    ["columns", "rows", "chosen", "label", "empty"].forEach((name) => model.on(`change:${name}`, draw));
    draw();
  },
};
