// Charts of the resource usage of a run, drawn from the table below them.

const KILO = 1e3;
const MEGA = 1e6;
const MEBI = 2 ** 20; // as limits of memory are counted
const HEIGHT = 150;
// The steps of an axis without decimals.
const WHOLE = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

// Pixels for the longest label of an axis.
const width = (_, labels) => Math.max(56, 26 + 7 * Math.max(0, ...(labels ?? []).map((text) => text.length)));

class RunChart extends HTMLElement {
  connectedCallback() {
    // the table comes after this element
    requestAnimationFrame(() => this.draw());
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this);
    // a canvas keeps the colours of the theme in which it was drawn
    this.theme = new AbortController();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.redraw(), { signal: this.theme.signal });
  }

  disconnectedCallback() {
    this.sizes?.disconnect();
    this.theme?.abort();
    this.clear();
  }

  clear() {
    for (const plot of this.plots ?? []) plot.destroy();
    this.plots = [];
    this.replaceChildren();
  }

  redraw() {
    this.clear();
    this.draw();
  }

  draw() {
    const rows = [...(this.parentElement?.querySelectorAll("tr[data-at]") ?? [])];
    if (rows.length < 2 || !globalThis.uPlot || this.plots?.length) return;
    this.marks = [...this.parentElement.querySelectorAll("[data-mark]")].map(({ dataset }) => ({
      since: Number(dataset.mark) / 1000,
      until: Number(dataset.until ?? dataset.mark) / 1000,
      chart: dataset.chart,
    }));
    const column = (name) => rows.map((row) => Number(row.dataset[name]));
    const at = column("at");
    const cpu = column("cpu");
    const cores = cpu.map((value, i) => {
      if (i === 0) return 0;
      return Math.max(0, (value - cpu[i - 1]) / Math.max(1, at[i] - at[i - 1]));
    });
    const seconds = at.map((ms) => ms / 1000);
    const scaled = (name, unit) => column(name).map((value) => value / unit);
    const memory = [line("--series-2", scaled("memory", MEBI), this.dataset.worker)];
    if (this.dataset.browser) memory.push(line("--series-3", scaled("browser", MEBI), this.dataset.browser));
    const traffic = Math.max(...column("traffic")) < MEGA ? ["trafficSmall", KILO] : ["traffic", MEGA];
    this.plots = [
      this.plot("cpu", seconds, [line("--series-1", cores)]),
      this.plot("memory", seconds, memory),
      this.plot("traffic", seconds, [line("--series-3", scaled("traffic", traffic[1]))], { name: traffic[0] }),
      this.plot("rows", seconds, [line("--series-4", column("rows"))], { least: 1 }),
    ];
  }

  // The axis reaches least: labels have at most 3 decimals, and those of rows none.
  plot(chart, x, lines, { least = 0.01, name = chart } = {}) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = this.dataset[name];
    if (lines.length > 1) caption.append(...lines.map(keyOf));
    figure.append(caption);
    this.append(figure);
    const look = getComputedStyle(this);
    const axis = { font: `12px ${look.fontFamily}`, stroke: look.color, grid: { stroke: look.borderColor, width: 1 } };
    const clock = clockOf(this.dataset.zone);
    const went = resolved(this, "--warn");
    return new uPlot(
      {
        width: Math.max(200, figure.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        hooks: { draw: [(plot) => this.drawMarks(plot, chart, look.color, went)] },
        scales: { y: { range: (_, low, high) => [0, Math.max(high, least) * (this.marked(chart).length ? 1.3 : 1.1)] } },
        axes: [
          // steps of less than a second have the same label
          { ...axis, values: (_, at) => at.map(clock).map((text, i, all) => (text === all[i - 1] ? "" : text)), space: 90 },
          { ...axis, size: width, ...(least === 1 ? { incrs: WHOLE } : {}) },
        ],
        series: [
          {},
          ...lines.map(({ colour }) => ({ stroke: resolved(this, colour), width: 2, points: { show: false } })),
        ],
      },
      [x, ...lines.map(({ values }) => values)],
      figure,
    );
  }

  // The marks that concern this chart, with their numbers in the list; there is room for them above the lines.
  marked(chart) {
    return this.marks
      .map((mark, number) => ({ ...mark, text: String(number + 1) }))
      .filter(({ chart: only }) => !only || only === chart);
  }

  // Each mark of the list below the charts that concerns this one: a tick at the top as long as it went on, or a
  // dashed line for a moment. The numbers are above, beside each other.
  drawMarks(plot, chart, colour, went) {
    const { ctx, bbox } = plot;
    const unit = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = unit;
    ctx.textAlign = "left";
    ctx.font = `bold ${12 * unit}px sans-serif`;
    ctx.setLineDash([4 * unit, 3 * unit]);
    const place = (at) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(at, "x", true)));
    const top = bbox.top + 14 * unit;
    let free = bbox.left; // where the next number has room
    this.marked(chart)
      .sort((one, other) => one.since - other.since)
      .forEach(({ since, until, text }) => {
        const x = place(since);
        if (until > since) {
          ctx.fillStyle = went;
          ctx.fillRect(x, top, Math.max(2 * unit, place(until) - x), 3 * unit);
        } else {
          ctx.beginPath();
          ctx.moveTo(x, top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.fillStyle = colour;
        const width = ctx.measureText(text).width;
        const start = Math.max(free, x - width / 2);
        ctx.fillText(text, start, bbox.top + 11 * unit);
        free = start + width + 4 * unit;
      });
    ctx.restore();
  }

  resize() {
    for (const plot of this.plots ?? []) {
      const width = plot.root.parentElement?.clientWidth;
      if (width && Math.abs(width - plot.width) > 4) plot.setSize({ width, height: HEIGHT });
    }
  }
}

const line = (colour, values, label) => ({ colour, values, label });

/** The name of a line, marked with its colour. */
function keyOf({ colour, label }) {
  const key = document.createElement("span");
  key.className = `run-chart-key series${colour}`;
  const name = document.createElement("span");
  name.textContent = label;
  key.append(name);
  return key;
}

/** Writes seconds since the epoch as the page writes times of today. */
function clockOf(timeZone) {
  const { format } = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium", timeZone });
  return (seconds) => format(seconds * 1000);
}

/** The current colour of a token for the canvas: a token has two colours, light and dark. */
function resolved(element, token) {
  const probe = document.createElement("span");
  probe.className = `series${token}`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

customElements.define("run-chart", RunChart);
