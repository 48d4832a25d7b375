(function () {
  "use strict";
  const holder = document.getElementById("panel-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const options = data.options;
  const count = options.length;
  const get = (id) => document.getElementById(id);
  const slider = get("panel-wtp");
  const exact = get("panel-exact");
  const form = get("panel-controls");
  const NS = get("panel-plane").namespaceURI;

  // --- numbers as the page writes them
  function amount(value, sign) {
    if (value === null || Number.isNaN(value)) return "–";
    const text = Math.abs(value).toLocaleString("en-US", { maximumFractionDigits: 0 });
    if (text === "0") return "0";
    return (value < 0 ? "-" : sign ? "+" : "") + text;
  }
  const percent = (share) => (100 * share).toFixed(1) + "%";
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  function spread(values) {
    const middle = mean(values);
    const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
    return Math.sqrt(squares / (values.length - 1));
  }

  // --- views: means of draws are found once
  const views = data.views.map((view) => {
    if (!view.draws) return view;
    const column = (rows, k) => mean(rows.map((row) => row[k]));
    const index = options.map((_, k) => k);
    return Object.assign({}, view, {
      cost: index.map((k) => column(view.draws.cost, k)),
      gain: index.map((k) => column(view.draws.gain, k)),
    });
  });

  function errorOf(view, k, m, level) {
    if (view.draws) {
      const apart = view.draws.cost.map(
        (cost, i) => level * (view.draws.gain[i][k] - view.draws.gain[i][m]) - (cost[k] - cost[m]));
      return spread(apart) / Math.sqrt(apart.length);
    }
    const [c, e, both] = k >= m ? view.variance[k][m] : view.variance[m][k];
    return Math.sqrt(Math.max(0, level * level * e + c - 2 * level * both));
  }

  function overDraws(view, level) {
    const share = new Array(count).fill(0);
    const loss = new Array(count).fill(0);
    const draws = view.draws.cost.length;
    view.draws.cost.forEach((cost, i) => {
      const benefit = cost.map((c, k) => level * view.draws.gain[i][k] - c);
      const top = Math.max(...benefit);
      const winners = benefit.filter((b) => b === top).length;
      benefit.forEach((b, k) => {
        if (b === top) share[k] += 1 / winners / draws;
        loss[k] += (top - b) / draws;
      });
    });
    return { share, loss };
  }

  function standings(view, level) {
    const benefit = options.map((_, k) => level * view.gain[k] - view.cost[k]);
    const order = options.map((_, k) => k).sort((a, b) => benefit[b] - benefit[a] || a - b);
    return { benefit, order };
  }

  // --- the frontier: cheapest first, each step dearer and better, at a rising price per unit gained
  function frontier(view) {
    const order = options.map((_, k) => k).sort((a, b) => view.cost[a] - view.cost[b] || view.gain[b] - view.gain[a]);
    const steps = [];
    const price = (a, b) => (view.cost[b] - view.cost[a]) / (view.gain[b] - view.gain[a]);
    for (const k of order) {
      if (steps.length && view.gain[k] <= view.gain[steps[steps.length - 1]]) continue;
      while (steps.length > 1) {
        const last = steps[steps.length - 1];
        if (price(steps[steps.length - 2], last) <= price(last, k)) break;
        steps.pop();
      }
      steps.push(k);
    }
    return steps;
  }

  // --- drawing
  const WIDTH = 520, HEIGHT = 360, LEFT = 62, RIGHT = 132, TOP = 14, BOTTOM = 44;
  function add(parent, name, attributes, text) {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  function steps(low, high, most) {
    const rough = (high - low) / most;
    const size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((f) => f * size).find((s) => s >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) found.push(i * step);
    return found;
  }

  function frame(svg, x, y, names) {
    svg.replaceChildren();
    const at = {
      x: (value) => LEFT + ((value - x[0]) / (x[1] - x[0])) * (WIDTH - LEFT - RIGHT),
      y: (value) => HEIGHT - BOTTOM - ((value - y[0]) / (y[1] - y[0])) * (HEIGHT - TOP - BOTTOM),
    };
    const plain = (value) => String(Number(value.toPrecision(6))).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
    for (const value of steps(y[0], y[1], 6)) {
      add(svg, "path", { class: "chart-grid", d: `M${LEFT} ${at.y(value)}H${WIDTH - RIGHT}` });
      add(svg, "text", { class: "chart-text end", x: LEFT - 6, y: at.y(value) + 4 }, plain(value));
    }
    for (const value of steps(x[0], x[1], 6)) {
      add(svg, "path", { class: "chart-axis", d: `M${at.x(value)} ${HEIGHT - BOTTOM}v4` });
      add(svg, "text", { class: "chart-text middle", x: at.x(value), y: HEIGHT - BOTTOM + 17 }, plain(value));
    }
    add(svg, "path", { class: "chart-axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` });
    add(svg, "text", { class: "chart-text middle", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8 }, names[0]);
    const middle = (TOP + HEIGHT - BOTTOM) / 2;
    add(svg, "text", { class: "chart-text middle", x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }, names[1]);
    return at;
  }

  function labels(svg, entries) {
    const gap = Math.min(14, (HEIGHT - TOP - BOTTOM) / Math.max(entries.length - 1, 1));
    const placed = entries.slice().sort((a, b) => a.y - b.y);
    let last = TOP - gap;
    for (const entry of placed) { entry.at = Math.max(entry.y, last + gap); last = entry.at; }
    let limit = HEIGHT - BOTTOM;
    for (const entry of placed.slice().reverse()) { entry.at = Math.min(entry.at, limit); limit = entry.at - gap; }
    for (const entry of placed) {
      const x = WIDTH - RIGHT + 14;
      add(svg, "path", { class: `${options[entry.k].line} thin`, d: `M${entry.x} ${entry.y}L${x - 3} ${entry.at}` });
      const label = options[entry.k].label;
      const shown = label.length > 19 ? label.slice(0, 18) + "…" : label;
      const text = add(svg, "text", { class: `chart-text ${options[entry.k].fill}`, x, y: entry.at + 4 }, shown);
      if (shown !== label) add(text, "title", {}, label);
    }
  }

  function limits(values, margin) {
    let low = Math.min(...values), high = Math.max(...values);
    if (!(high > low)) { low -= 1; high += 1; }
    const room = (high - low) * margin;
    return [low - room, high + room];
  }

  const THOUSAND = 1000;
  function drawPlane(view, level, order) {
    const r = data.reference;
    const x = view.gain.map((g) => g - view.gain[r]);
    const y = view.cost.map((c) => (c - view.cost[r]) / THOUSAND);
    const cloud = [];
    if (view.draws) {
      view.draws.cost.slice(0, 100).forEach((cost, i) => {
        options.forEach((_, k) => {
          if (k !== r) {
            cloud.push([k, view.draws.gain[i][k] - view.draws.gain[i][r], (cost[k] - cost[r]) / THOUSAND]);
          }
        });
      });
    }
    const xs = x.concat(cloud.map((p) => p[1])), ys = y.concat(cloud.map((p) => p[2]));
    const svg = get("panel-plane");
    const across = limits(xs, 0.06), up = limits(ys, 0.06);
    const at = frame(svg, across, up, [
      `${view.effect} gained per patient`, `Cost added (thousand ${data.currency})`]);
    for (const [k, gain, cost] of cloud) {
      add(svg, "circle", { class: `${options[k].fill} cloud`, cx: at.x(gain), cy: at.y(cost), r: 1.6 });
    }
    const best = order[0];
    const clip = (gain) => y[best] + (level * (gain - x[best])) / THOUSAND;
    let ends = across.map((gain) => [gain, clip(gain)]);
    if (level > 0) {
      ends = ends.map(([gain, cost]) => {
        const inside = Math.min(Math.max(cost, up[0]), up[1]);
        return inside === cost ? [gain, cost] : [x[best] + ((inside - y[best]) * THOUSAND) / level, inside];
      });
    }
    add(svg, "path", { class: "chart-choice", d: "M" + ends.map((p) => `${at.x(p[0])} ${at.y(p[1])}`).join("L") });
    const line = frontier(view);
    add(svg, "path", { class: "chart-frontier", d: "M" + line.map((k) => `${at.x(x[k])} ${at.y(y[k])}`).join("L") });
    options.forEach((option, k) => {
      const r2 = k === best ? 7 : 4.5;
      add(svg, "circle", { class: `${option.fill} chart-mark`, cx: at.x(x[k]), cy: at.y(y[k]), r: r2 });
    });
    labels(svg, options.map((_, k) => ({ k, x: at.x(x[k]), y: at.y(y[k]) })));
    svg.setAttribute("aria-label", `Cost-effectiveness plane; best buy ${options[best].label}.`);
  }

  const LEVELS = Array.from({ length: 41 }, (_, i) => (data.top * i) / 40);
  function drawLines(id, view, level, table, names, range, best, band) {
    const svg = get(id);
    if (!svg) return;
    const every = table.flat();
    const shown = range || limits(every, 0.04);
    const at = frame(svg, [0, data.top / THOUSAND], shown, names);
    const d = (values) => "M" + values.map((v, i) => `${at.x(LEVELS[i] / THOUSAND)} ${at.y(v)}`).join("L");
    if (band) {
      const [low, high] = band;
      const inside = (values) => values.map((v) => Math.min(Math.max(v, shown[0]), shown[1]));
      const back = inside(high).map((v, i) => `${at.x(LEVELS[i] / THOUSAND)} ${at.y(v)}`).reverse().join("L");
      add(svg, "path", { class: `${options[best].fill} chart-band`, d: `${d(inside(low))}L${back}Z` });
    }
    add(svg, "path", { class: "chart-choice", d: `M${at.x(level / THOUSAND)} ${TOP}V${HEIGHT - BOTTOM}` });
    options.forEach((option, k) => add(svg, "path", { class: option.line, d: d(table[k]) }));
    const last = LEVELS.length - 1;
    labels(svg, options.map((_, k) => ({ k, x: WIDTH - RIGHT, y: at.y(table[k][last]) })));
    return { svg, at, d };
  }

  const kept = new Map();
  function curves(number) {
    if (!kept.has(number)) {
      const view = views[number];
      const rows = LEVELS.map((level) => ({
        stand: standings(view, level), over: view.draws ? overDraws(view, level) : null }));
      kept.set(number, rows);
    }
    return kept.get(number);
  }

  function drawCurves(number, level, best) {
    const view = views[number], rows = curves(number), r = data.reference;
    const wtp = `Willingness to pay (thousand ${data.currency} per ${view.unit})`;
    const benefit = options.map((_, k) => rows.map((row) => (row.stand.benefit[k] - row.stand.benefit[r]) / THOUSAND));
    const errors = LEVELS.map((at) => (best === r ? 0 : (1.96 * errorOf(view, best, r, at)) / THOUSAND));
    const band = [benefit[best].map((b, i) => b - errors[i]), benefit[best].map((b, i) => b + errors[i])];
    drawLines("panel-benefit", view, level, benefit, [wtp, `Net benefit (thousand ${data.currency})`], null, best, band);
    get("panel-benefit").setAttribute("aria-label",
      `Net benefit by willingness to pay; at ${amount(level)} the highest is ${options[best].label}.`);
    if (!view.draws) return;
    const share = options.map((_, k) => rows.map((row) => 100 * row.over.share[k]));
    const drawn = drawLines("panel-ceac", view, level, share, [wtp, "Best in % of draws"], [0, 100], best);
    const top = rows.map((row, i) => share[row.stand.order[0]][i]);
    const edge = add(drawn.svg, "path", { class: "chart-edge", d: drawn.d(top) });
    drawn.svg.insertBefore(edge, drawn.svg.querySelector(".chart-choice"));
    drawn.svg.setAttribute("aria-label",
      `Acceptability curves; at ${amount(level)} ${options[best].label} is best in ` +
      `${percent(overDraws(view, level).share[best])} of draws.`);
    const loss = options.map((_, k) => rows.map((row) => row.over.loss[k] / THOUSAND));
    drawLines("panel-loss", view, level, loss, [wtp, `Expected loss (thousand ${data.currency})`], null, best);
    get("panel-loss").setAttribute("aria-label",
      `Expected loss; at ${amount(level)} that of ${options[best].label} is ` +
      `${amount(overDraws(view, level).loss[best])} ${data.currency}.`);
  }

  // --- table and sentence
  function cell(row, name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    row.appendChild(made);
    return made;
  }

  function swatch(option) {
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("class", "swatch");
    svg.setAttribute("viewBox", "0 0 24 8");
    svg.setAttribute("aria-hidden", "true");
    add(svg, "path", { class: option.plain, d: "M0 4H24" });
    return svg;
  }

  function fill(view, level, found) {
    const body = get("panel-table").tBodies[0];
    const line = frontier(view), r = data.reference;
    const over = view.draws ? overDraws(view, level) : null;
    body.replaceChildren();
    found.order.forEach((k, place) => {
      const row = document.createElement("tr");
      if (place === 0) row.className = "chosen";
      const head = cell(row, "th", " " + options[k].label);
      head.scope = "row";
      head.prepend(swatch(options[k]));
      cell(row, "td", amount(view.cost[k]));
      cell(row, "td", view.gain[k].toFixed(3));
      cell(row, "td", k === r ? "0 (reference)" :
        `${amount(found.benefit[k] - found.benefit[r], true)} ± ${amount(errorOf(view, k, r, level))}`);
      if (over) {
        cell(row, "td", percent(over.share[k]));
        cell(row, "td", amount(over.loss[k]));
      }
      const step = line.indexOf(k);
      cell(row, "td", step < 0 ? "no" : step === 0 ? "yes, the cheapest" :
        "yes, " + amount((view.cost[k] - view.cost[line[step - 1]]) / (view.gain[k] - view.gain[line[step - 1]])));
      body.appendChild(row);
    });
    const [best, next] = found.order;
    const lead = found.benefit[best] - found.benefit[next], error = errorOf(view, best, next, level);
    const chance = view.draws ? `It is the best in ${percent(over.share[best])} of draws.` :
      lead > 1.96 * error ? "Chance in the simulation does not explain the lead." :
        "Chance in the simulation could explain the lead.";
    get("panel-verdict").textContent =
      `At ${amount(level)} ${data.currency} per ${view.unit} the best buy is ${options[best].label}: its net benefit is ` +
      `${amount(lead)} ± ${amount(error)} ${data.currency} per patient${view.draws ? " (error over draws alone)" : ""} above the next best, ${options[next].label}. ` +
      chance;
    get("panel-about").textContent = `Costs: ${view.perspective}. Willingness to pay ${amount(level)} ` +
      `${data.currency} per ${view.unit}.`;
    get("panel-effect-name").textContent = view.effect;
    document.querySelectorAll(".panel-unit").forEach((place) => { place.textContent = view.unit; });
  }

  // --- what the reader chose
  function chosen(name, fallback) {
    const input = form.querySelector(`input[name="${name}"]:checked`);
    return input ? input.value : fallback;
  }

  function update() {
    const level = Math.min(Math.max(Number(exact.value) || 0, 0), data.top);
    const effect = chosen("panel-effect", views[0].effect);
    const perspective = chosen("panel-perspective", views[0].perspective);
    const number = views.findIndex((v) => v.effect === effect && v.perspective === perspective);
    const found = standings(views[number], level);
    slider.setAttribute("aria-valuetext", `${amount(level)} ${data.currency} per ${views[number].unit}`);
    fill(views[number], level, found);
    drawPlane(views[number], level, found.order);
    drawCurves(number, level, found.order[0]);
  }

  slider.addEventListener("input", () => { exact.value = slider.value; update(); });
  exact.addEventListener("input", () => { slider.value = exact.value; update(); });
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelectorAll("[data-level]").forEach((button) => {
    button.addEventListener("click", () => { exact.value = slider.value = button.dataset.level; update(); });
  });
  form.hidden = false;
  form.closest("section").querySelectorAll(".scripted").forEach((part) => { part.hidden = false; });
  form.closest("section").querySelectorAll(".unscripted").forEach((part) => { part.hidden = true; });
  update();
})();
