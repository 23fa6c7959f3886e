// A log that grows. What a program printed is set as text, never as markup.
export default {
  render({ model, el }) {
    el.classList.add("knit-log");
    const pane = document.createElement("pre");
    pane.tabIndex = 0;
    pane.setAttribute("role", "log");
    pane.setAttribute("data-lm-suppress-shortcuts", "true");
    const more = document.createElement("div");
    more.className = "knit-log-state";
    el.append(pane, more);
    const toEnd = () => {
      if (model.get("scrolls")) pane.scrollTop = pane.scrollHeight;
    };
    const draw = () => {
      pane.setAttribute("aria-label", model.get("label"));
      pane.style.maxHeight = model.get("height");
      const text = model.get("text");
      if (pane.textContent !== text) pane.textContent = text;
      more.textContent = model.get("state");
      el.hidden = !text && !model.get("state");
      pane.hidden = !text;
      toEnd();
    };
    ["text", "state", "label", "height"].forEach((name) => model.on(`change:${name}`, draw));
    model.on("change:scrolls", toEnd);
    draw();
    requestAnimationFrame(toEnd); // once it has a height
  },
};
