({
  /** Words whose contrast with what is behind them is below WCAG 2.2's level AA. */
  unreadable() {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const known = new Map();
    const rgb = (colour) => {
      if (known.has(colour)) return known.get(colour);
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
      return known.get(colour);
    };
    const weights = [0.2126, 0.7152, 0.0722];
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const light = (colour) => weights.reduce((sum, weight, i) => sum + weight * linear(colour[i] / 255), 0);
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const found = rgb(getComputedStyle(at).backgroundColor);
        if (found[3] === 255) return found;
      }
      return [255, 255, 255, 255];
    };
    const unseen = 'script, noscript, option, .off-screen, :disabled, .skip, .toast:not(.shown)';
    const found = new Set();
    for (const element of document.querySelectorAll('body *')) {
      const text = [...element.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
      if (!text || !element.getBoundingClientRect().width || element.closest(unseen)) continue;
      const style = getComputedStyle(element);
      const [darker, lighter] = [light(rgb(style.color)), light(behind(element))].sort((a, b) => a - b);
      const ratio = (lighter + 0.05) / (darker + 0.05);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) found.add(`${element.className || element.tagName} ${text.data.slice(0, 20)}: ${ratio.toFixed(2)}`);
    }
    return [...found];
  },

  /** Controls that have no name. */
  nameless() {
    const silent = ['presentation', 'status', 'alert'];
    return [...document.querySelectorAll('button, input, select, textarea, [role]')].filter((element) => {
      if (element.type === 'file' || element.closest('[hidden]') || silent.includes(element.getAttribute('role'))) return false;
      const labels = [...(element.labels || [])].map((label) => label.textContent);
      return ![element.getAttribute('aria-label'), element.textContent, ...labels].some((name) => name && name.trim());
    }).map((element) => element.outerHTML.slice(0, 80));
  },

  /** Boxes that are too narrow for what is in them. */
  overflowing() {
    const boxes = ['html', '.bar', '#actions', '#scroll', '#side', '#list'].map((name) => document.querySelector(name));
    return boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.id || box.className || box.tagName);
  },

  /** Controls that stand partly beside the window. */
  beyond() {
    return [...document.querySelectorAll('.tools button, .act, #query, select')].filter((element) => {
      const { left, right } = element.getBoundingClientRect();
      return left < 0 || right > window.innerWidth;
    }).map((element) => element.id || element.textContent);
  },

  /** Letters in the longest line of a long text. */
  longestLine() {
    const probe = document.createElement('span');
    probe.textContent = 'the quick brown fox jumps over it '.repeat(40);
    document.querySelector('.prose').append(probe);
    const range = document.createRange();
    let [longest, from, line] = [0, 0, null];
    for (let i = 0; i < probe.textContent.length; i += 1) {
      range.setStart(probe.firstChild, i);
      range.setEnd(probe.firstChild, i + 1);
      const { top } = range.getBoundingClientRect();
      if (line !== null && top > line + 5) {
        longest = Math.max(longest, i - from);
        from = i;
      }
      line = top;
    }
    return longest;
  },

  /** What has the focus, and whether that can be seen. */
  focused() {
    const at = document.activeElement;
    const style = getComputedStyle(at.id === 'list' ? document.querySelector('.row.current') : at);
    const isSeen = at === document.body || style.outlineStyle !== 'none';
    return (at.id || at.textContent.trim()) + (isSeen ? '' : ' UNSEEN');
  },
})
