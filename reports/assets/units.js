/* Values as people read them: Grafana's units, decimals, mappings, thresholds and colours. */
(function () {
  "use strict";
  const { style } = window.dashcam;
  const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
  const SMALL = SI.concat([[1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]]);
  const IEC = [[2 ** 50, "Pi"], [2 ** 40, "Ti"], [2 ** 30, "Gi"], [2 ** 20, "Mi"], [2 ** 10, "Ki"], [1, ""]];
  const TIME = [[31536000, "y"], [604800, "wk"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

  // A unit: steps of [factor, prefix], what follows, what the value is multiplied with first.
  const of = (steps, word, times) => ({ steps, word, times: times || 1 });
  const count = (word) => of(SI, " " + word);
  const UNITS = {
    short: of(SI, ""), sishort: of(SMALL, ""), none: of(null, ""), "": of(null, ""), locale: of(null, ""), string: of(null, ""),
    percent: of(null, " %"), percentunit: of(null, " %", 100), humidity: of(null, " %H"), dB: of(null, " dB"), ppm: of(null, " ppm"),
    s: of(TIME, ""), ms: of(TIME, "", 1e-3), "µs": of(TIME, "", 1e-6), us: of(TIME, "", 1e-6), ns: of(TIME, "", 1e-9),
    m: of(TIME, "", 60), h: of(TIME, "", 3600), d: of(TIME, "", 86400), timeticks: of(TIME, "", 0.01),
    bytes: of(IEC, "B"), decbytes: of(SI, "B"), bits: of(IEC, "b"), decbits: of(SI, "b"),
    kbytes: of(IEC, "B", 2 ** 10), mbytes: of(IEC, "B", 2 ** 20), gbytes: of(IEC, "B", 2 ** 30), tbytes: of(IEC, "B", 2 ** 40), pbytes: of(IEC, "B", 2 ** 50),
    deckbytes: of(SI, "B", 1e3), decmbytes: of(SI, "B", 1e6), decgbytes: of(SI, "B", 1e9), dectbytes: of(SI, "B", 1e12), decpbytes: of(SI, "B", 1e15),
    Bps: of(SI, "B/s"), binBps: of(IEC, "B/s"), bps: of(SI, "b/s"), binbps: of(IEC, "b/s"), pps: of(SI, "p/s"),
    cps: count("c/s"), ops: count("ops/s"), reqps: count("req/s"), rps: count("rd/s"), wps: count("wr/s"), iops: count("io/s"), eps: count("evt/s"), mps: count("msg/s"), recps: count("rec/s"), rowsps: count("rows/s"),
    cpm: count("c/min"), opm: count("ops/min"), reqpm: count("req/min"), rpm: count("rd/min"), wpm: count("wr/min"),
    watt: of(SMALL, "W"), kwatt: of(SMALL, "W", 1e3), megwatt: of(SMALL, "W", 1e6), gwatt: of(SMALL, "W", 1e9), mwatt: of(SMALL, "W", 1e-3), Wm2: of(SMALL, "W/m²"),
    voltamp: of(SI, "VA"), kvoltamp: of(SI, "VA", 1e3), volt: of(SMALL, "V"), kvolt: of(SMALL, "V", 1e3), mvolt: of(SMALL, "V", 1e-3), amp: of(SMALL, "A"), kamp: of(SMALL, "A", 1e3), mamp: of(SMALL, "A", 1e-3),
    dBm: of(SMALL, "dBm"), ohm: of(SMALL, "Ω"), kohm: of(SMALL, "Ω", 1e3), farad: of(SMALL, "F"), henry: of(SMALL, "H"), amph: of(SMALL, "Ah"),
    joule: of(SMALL, "J"), ev: of(SMALL, "eV"), watth: of(SI, "Wh"), kwatth: of(SI, "Wh", 1e3), kwatthr: of(SI, "Wh", 1e3),
    hertz: of(SMALL, "Hz"), rothz: of(SMALL, "Hz"), rotrpm: of(null, " rpm"), rotrads: of(null, " rad/s"), rotdegs: of(null, " °/s"),
    flops: of(SI, "FLOP/s"), mflops: of(SI, "FLOP/s", 1e6), gflops: of(SI, "FLOP/s", 1e9), tflops: of(SI, "FLOP/s", 1e12), pflops: of(SI, "FLOP/s", 1e15), Hs: of(SI, "H/s"),
    celsius: of(null, " °C"), fahrenheit: of(null, " °F"), kelvin: of(null, " K"), degree: of(null, "°"), radian: of(null, " rad"),
    lengthm: of(SMALL, "m"), lengthmm: of(SMALL, "m", 1e-3), lengthkm: of(SMALL, "m", 1e3), massg: of(SMALL, "g"), masskg: of(SMALL, "g", 1e3), accMS2: of(null, " m/s²"), velocityms: of(null, " m/s"), litre: of(SMALL, "L"), pressurehpa: of(null, " hPa"), pressurebar: of(SMALL, "bar"),
    currencyUSD: { steps: SI, word: "", times: 1, before: "$" }, currencyEUR: { steps: SI, word: "", times: 1, before: "€" },
  };
  // Rates that are given in thousands or 1024ths: KBs, KiBs, Kbits, Kibits, ... of bytes and bits each second.
  ["K", "M", "G", "T", "P"].forEach((letter, index) => {
    for (const [tail, word] of [["Bs", "B/s"], ["bits", "b/s"]]) {
      UNITS[letter + tail] = of(SI, word, 1000 ** (index + 1));
      UNITS[letter + "i" + tail] = of(IEC, word, 1024 ** (index + 1));
    }
  });
  for (const [code, sign] of Object.entries({ GBP: "£", JPY: "¥", INR: "₹", KRW: "₩", CHF: "CHF ", PLN: "zł ", BTC: "฿", RUB: "₽", SEK: "kr ", DKK: "kr ", NOK: "kr " })) UNITS["currency" + code] = { steps: SI, word: "", times: 1, before: sign };
  const PREFIXES = { f: 1e-15, p: 1e-12, n: 1e-9, "μ": 1e-6, "µ": 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18, Z: 1e21, Y: 1e24 };
  const BOOLEANS = { bool: ["True", "False"], bool_yes_no: ["Yes", "No"], bool_on_off: ["On", "Off"] };

  function unit(id) {
    if (Object.hasOwn(UNITS, id)) return UNITS[id];
    const colon = id.indexOf(":");
    const tail = id.slice(colon + 1).trim();
    const made = {
      suffix: () => of(null, tail ? " " + tail : ""), prefix: () => ({ steps: null, word: "", times: 1, before: tail }), count: () => count(tail),
      si: () => (Object.hasOwn(PREFIXES, tail[0]) ? of(SMALL, tail.slice(1), PREFIXES[tail[0]]) : of(SMALL, tail)), currency: () => ({ steps: SI, word: "", times: 1, before: tail }),
    }[id.slice(0, Math.max(0, colon))];
    return made ? made() : of(null, " " + id); // Grafana puts a unit that it does not know behind the number
  }

  function short(value, digits) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e15 || size < 1e-4) return value.toExponential(digits - 2);
    if (size >= 999.5) return value.toLocaleString("en", { maximumFractionDigits: Math.max(0, digits - 1 - Math.floor(Math.log10(size))) });
    return String(Number(value.toPrecision(digits)));
  }

  function fixed(value, decimals) {
    return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  }

  function duration(seconds) {
    const whole = Math.round(Math.abs(seconds));
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    let left = whole;
    const words = parts.map(([size, word]) => { const many = Math.floor(left / size); left -= many * size; return many ? many + " " + word : ""; });
    return (seconds < 0 ? "-" : "") + (words.filter(Boolean).slice(0, 3).join(" ") || "0 s");
  }

  function moment(milliseconds) {
    const when = new Date(milliseconds);
    return Number.isNaN(when.getTime()) ? "-" : when.toISOString().replace("T", " ").replace(/\.\d+Z$|Z$/, "");
  }

  function plain(value, id, decimals, digits) {
    if (typeof value !== "number") return String(value);
    if (Object.hasOwn(BOOLEANS, id)) return BOOLEANS[id][value ? 0 : 1];
    if (id.startsWith("bool:")) return id.slice(5).split("/")[value ? 0 : 1] ?? "";
    if (id === "hex" || id === "hex0x") return (value < 0 ? "-" : "") + (id === "hex" ? "" : "0x") + Math.abs(Math.round(value)).toString(16).toUpperCase();
    if (id === "sci") return value.toExponential(decimals ?? 2);
    if (id.startsWith("dateTime") || id.startsWith("time:")) return moment(value);
    if (["dtdurations", "dthms", "dtdhms", "clocks"].includes(id)) return duration(value);
    if (["dtdurationms", "clockms"].includes(id)) return duration(value / 1000);
    const found = unit(id);
    const scaled = value * found.times;
    const size = Math.abs(scaled);
    const steps = found.steps || [[1, ""]];
    const [factor, word] = (size && steps.find((step) => size >= step[0] * 0.9995)) || (size ? steps[steps.length - 1] : steps.find((step) => step[0] === 1) || steps[0]);
    const number = scaled / factor;
    const text = decimals === undefined ? short(number, digits || 3) : fixed(number, decimals);
    const tail = word + found.word;
    return (found.before || "") + text + (tail && !tail.startsWith(" ") && /[a-zA-Zµ]/.test(tail) ? " " : "") + tail;
  }

  // The mapping of a value, if there is one: [text or null, colour or null].
  function mapped(value, field) {
    for (const [what, on, text, colour] of (field && field.m) || []) {
      const number = typeof value === "number";
      const none = value === null || value === undefined;
      let fits = false;
      if (what === "v") fits = !none && (String(value) === on || (number && on !== "" && Number(on) === value));
      else if (what === "r") fits = number && (on[0] === null || value >= on[0]) && (on[1] === null || value <= on[1]);
      else if (what === "x") fits = !none && matches(on, String(value));
      else if (what === "s") fits = (none && ["null", "null+nan", "nan", "empty"].includes(on)) || (value === "" && on === "empty");
      if (fits) return [text, colour];
    }
    return null;
  }

  function matches(pattern, text) {
    const parts = /^\/(.*)\/([a-z]*)$/s.exec(pattern);
    try {
      return new RegExp(parts ? parts[1] : "^" + pattern + "$", parts ? parts[2].replace(/[gy]/g, "") : "").test(text);
    } catch {
      return false;
    }
  }

  function text(value, field, digits) {
    const found = mapped(value, field);
    if (found && found[0]) return found[0];
    if (value === null || value === undefined) return (field && field.n) || "-";
    return plain(value, (field && field.u) || "", field && field.d, digits);
  }

  // Marks of an axis: as many digits as tell them apart.
  function ticks(values, field) {
    for (const digits of [3, 4, 5, 6]) {
      const found = values.map((value) => (value === null ? "" : plain(value, (field && field.u) || "", undefined, digits)));
      if (digits === 6 || new Set(found).size === found.length) return found;
    }
    return [];
  }

  // Grafana's named colours: six hues, each in five shades; the light page takes darker ones.
  const HUES = {
    red: ["#C4162A", "#E02F44", "#F2495C", "#FF7383", "#FFA6B0"], orange: ["#FA6400", "#FF780A", "#FF9830", "#FFB357", "#FFCB7D"],
    yellow: ["#E0B400", "#F2CC0C", "#FADE2A", "#FFEE52", "#FFF899"], green: ["#37872D", "#56A64B", "#73BF69", "#96D98D", "#C8F2C2"],
    blue: ["#1F60C4", "#3274D9", "#5794F2", "#8AB8FF", "#C0D8FF"], purple: ["#8F3BB8", "#A352CC", "#B877D9", "#CA95E5", "#DEB6F2"],
  };
  const SHADES = ["dark", "semi-dark", "", "light", "super-light"];
  const dark = () => window.matchMedia("(prefers-color-scheme: dark)").matches;

  function colour(name) {
    const parts = /^(?:(super-light|light|semi-dark|dark)-)?(red|orange|yellow|green|blue|purple)$/.exec(name || "");
    if (parts) return HUES[parts[2]][Math.max(0, SHADES.indexOf(parts[1] || "") - (dark() || parts[1] ? 0 : 1))];
    if (name === "text") return style("--ink");
    if (name === "transparent") return "rgba(0, 0, 0, 0)";
    const canvas = colour.canvas || (colour.canvas = document.createElement("canvas").getContext("2d"));
    canvas.fillStyle = "#888888";
    canvas.fillStyle = String(name);
    return canvas.fillStyle; // what is no colour stays grey
  }

  function channels(name) {
    const canvas = channels.canvas || (channels.canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true }));
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = name;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  }

  function luminance(name) {
    const [r, g, b] = channels(name).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

  // A colour for words: the same hue, moved towards the ink until it can be read on the card.
  function readable(name) {
    const page = luminance(style("--card"));
    const ink = channels(style("--ink"));
    const from = channels(name);
    for (let part = 0; part <= 1; part += 0.1) {
      const mixed = "rgb(" + [0, 1, 2].map((i) => Math.round(from[i] + (ink[i] - from[i]) * part)).join(",") + ")";
      if (contrast(luminance(mixed), page) >= 4.5) return mixed;
    }
    return style("--ink");
  }

  const inkOn = (name) => (contrast(luminance(name), 1) >= 4.5 || luminance(name) < 0.18 ? "#ffffff" : "#111111");

  function fade(name, alpha) {
    const [r, g, b] = channels(name);
    return "rgba(" + r + "," + g + "," + b + "," + alpha + ")";
  }

  const STOPS = {
    Viridis: "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725", Magma: "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf",
    Inferno: "000004 160b39 420a68 6a176e 932667 bc3754 dd513a f37819 fca50a f6d746 fcffa4", Plasma: "0d0887 41049d 6a00a8 8f0da4 b12a90 cc4778 e16462 f2844b fca636 fcce25 f0f921",
    Turbo: "30123b 4145ab 4675ed 39a2fc 1bcfd4 24eca6 61fc6c a4fc3b d1e834 f3c63a fe9b2d f36315 d93806 b11901 7a0402", Spectral: "5e4fa2 3288bd 66c2a5 abdda4 e6f598 ffffbf fee08b fdae61 f46d43 d53e4f 9e0142",
    RdYlGn: "a50026 d73027 f46d43 fdae61 fee08b ffffbf d9ef8b a6d96a 66bd63 1a9850 006837", Oranges: "fff5eb fdd0a2 fd8d3c d94801 7f2704", Blues: "f7fbff c6dbef 6baed6 2171b5 08306b",
    Greens: "f7fcf5 c7e9c0 74c476 238b45 00441b", Reds: "fff5f0 fcbba1 fb6a4a cb181d 67000d", Greys: "ffffff d9d9d9 969696 525252 000000", Purples: "fcfbfd dadaeb 9e9ac8 6a51a3 3f007d",
    "continuous-GrYlRd": "73bf69 fade2a f2495c", "continuous-RdYlGr": "f2495c fade2a 73bf69", "continuous-BlYlRd": "5794f2 fade2a f2495c", "continuous-YlRd": "fade2a f2495c", "continuous-BlPu": "5794f2 b877d9", "continuous-YlBl": "fade2a 5794f2",
    "continuous-blues": "c0d8ff 1f60c4", "continuous-reds": "ffa6b0 c4162a", "continuous-greens": "c8f2c2 37872d", "continuous-purples": "deb6f2 8f3bb8",
  };
  const HUED = ["Oranges", "Blues", "Greens", "Reds", "Greys", "Purples"];

  // A colour of a scale at 0..1.
  function scheme(name, at, reverse) {
    const stops = (Object.hasOwn(STOPS, name) ? STOPS[name] : STOPS.Viridis).split(" ");
    // One hue begins with the page's own lightness, so that nothing looks like nothing.
    if (reverse !== (HUED.includes(name) && dark())) stops.reverse();
    const place = Math.min(1, Math.max(0, at)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const [a, b] = [stops[low], stops[low + 1]].map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return "rgb(" + a.map((part, i) => Math.round(part + (b[i] - part) * (place - low))).join(",") + ")";
  }

  // The step of the thresholds that a value has reached: [value, colour].
  function threshold(value, field, low, high) {
    if (!field || !field.t) return null;
    const [mode, steps] = field.t;
    const share = mode === "percentage" ? ((value - low) / (high - low)) * 100 : value;
    return steps.filter((step) => step[0] === null || share >= step[0]).pop() || steps[0];
  }

  // The colour of a value; `index` and `name` are those of its series.
  function valueColour(value, field, index, name, low, high) {
    const found = mapped(value, field);
    if (found && found[1]) return colour(found[1]);
    const mode = (field && field.c && field.c[0]) || (field && field.t ? "thresholds" : "palette-classic");
    if (mode === "fixed" || mode === "shades") return colour(field.c[1]);
    if (mode === "thresholds" || typeof value !== "number") {
      const step = typeof value === "number" ? threshold(value, field, low, high) : field && field.t && field.t[1][0];
      return step ? colour(step[1]) : typeof value === "number" || mode === "thresholds" ? style("--c1") : palette(index);
    }
    if (mode.startsWith("continuous-")) return scheme(mode, (value - low) / (high - low || 1), false);
    return palette(index);
  }

  function palette(index) {
    return style("--c" + ((index % 6) + 1));
  }

  // By name: the same in every panel, unless another of this panel has it.
  function named(name, taken) {
    let sum = 7;
    for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) >>> 0;
    let index = sum % 6;
    for (let tries = 0; tries < 6 && taken.has(index); tries++) index = (index + 1) % 6;
    taken.add(index);
    return index;
  }

  Object.assign(window.dashcam, { units: { text, plain, ticks, moment, mapped }, colours: { colour, readable, inkOn, fade, scheme, threshold, valueColour, palette, named, dark } });
})();
