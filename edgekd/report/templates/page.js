// Sorting, filtering and hover cards. The page is complete without this script; it holds no data and reads the page.
(() => {
  'use strict';
  const root = document.documentElement;
  const all = (where, what) => [...where.querySelectorAll(what)];
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const said = document.getElementById('said');
  const say = (text) => { said.textContent = text; };
  const card = document.getElementById('card');
  root.classList.add('js');

  // --- hover card ---
  function showCard(row, box) {
    const table = row.closest('table');
    const heads = all(table.tHead, 'tr:last-child th');
    const list = make('dl');
    heads.forEach((head, i) => {
      const cell = row.cells[i + 1];
      if (head.classList.contains('more') || !('value' in cell.dataset)) return;
      list.append(make('dt', head.dataset.name));
      const shown = make('dd');
      shown.append(...[...cell.childNodes].map((node) => node.cloneNode(true)));
      list.append(shown);
    });
    card.replaceChildren(make('b', row.dataset.variant, { dir: 'auto' }), list);
    card.hidden = false;
    const width = card.offsetWidth, height = card.offsetHeight, gap = 14;
    let left = box.right + gap, top = box.top + box.height / 2 - height / 2;
    if (left + width > root.clientWidth - 8) left = box.left - gap - width;
    if (left < 8) { left = Math.max(8, Math.min(box.left - width / 2, root.clientWidth - width - 8)); top = box.top - height - gap; }
    if (top < 8) top = left < box.left && left + width > box.left ? box.bottom + gap : 8;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
  }
  const hideCard = () => { card.hidden = true; };

  // --- one target: its table, its pictures and its filters ---
  function enhance(section) {
    const table = section.querySelector('table.all');
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const byName = new Map(rows.map((row) => [row.dataset.variant, row]));
    const pinned = rows.filter((row) => 'pinned' in row.dataset);
    const tools = section.querySelector('.tools');
    const search = tools.querySelector('input');
    const count = tools.querySelector('.count');
    const chosen = { kind: new Set(), precision: new Set(), evidence: new Set(), front: false, variant: null };
    const chips = [];

    const matches = (row) => (
      (chosen.variant === null || row.dataset.variant === chosen.variant)
      && ['kind', 'precision', 'evidence'].every((key) => !chosen[key].size || chosen[key].has(row.dataset[key]))
      && (!chosen.front || 'front' in row.dataset)
      && row.dataset.variant.toLowerCase().includes(search.value.trim().toLowerCase())
    );
    const active = () => chosen.variant !== null || chosen.front || search.value.trim() !== ''
      || chosen.kind.size + chosen.precision.size + chosen.evidence.size > 0;

    function apply() {
      const shown = rows.filter(matches);
      const names = new Set(shown.map((row) => row.dataset.variant));
      const kept = pinned.filter((row) => !shown.includes(row));
      rows.forEach((row) => { row.hidden = !shown.includes(row) && !kept.includes(row); });
      all(section, '.picture [data-variant]').forEach((mark) => {
        mark.classList.toggle('off', active() && byName.has(mark.dataset.variant) && !names.has(mark.dataset.variant));
        if (mark.hasAttribute('aria-pressed')) mark.setAttribute('aria-pressed', chosen.variant === mark.dataset.variant);
      });
      chips.forEach(({ chip, key, value }) => {
        if (key === 'reset') chip.disabled = !active();
        else if (key === 'front') chip.setAttribute('aria-pressed', chosen.front);
        else if (key === 'columns') chip.setAttribute('aria-pressed', !table.classList.contains('compact'));
        else chip.setAttribute('aria-pressed', chosen[key].has(value));
      });
      let text = `${shown.length} of ${rows.length} variants`;
      if (chosen.variant !== null) text += ` (only ${chosen.variant})`;
      if (kept.length) text += '; the teacher stays for comparison';
      count.textContent = active() ? text : `${rows.length} variants`;
      return count.textContent;
    }
    const choose = (variant) => {
      chosen.variant = chosen.variant === variant ? null : variant;
      say(apply());
    };

    function toggle(key, value) {
      if (key === 'reset') {
        ['kind', 'precision', 'evidence'].forEach((each) => chosen[each].clear());
        chosen.front = false; chosen.variant = null; search.value = '';
        search.focus();
      } else if (key === 'front') chosen.front = !chosen.front;
      else if (key === 'columns') { table.classList.toggle('compact'); spans(); frames(); }
      else if (!chosen[key].delete(value)) chosen[key].add(value);
      say(apply());
    }
    all(section, '.chip').forEach((label) => {
      const chip = make('button', '', { type: 'button', class: 'chip' });
      chip.append(...label.childNodes);
      const { chip: key, value } = label.dataset;
      if (key !== 'reset') chip.setAttribute('aria-pressed', 'false');
      chip.addEventListener('click', () => toggle(key, value));
      label.replaceWith(chip);
      chips.push({ chip, key, value });
    });
    search.addEventListener('input', () => say(apply()));

    // Columns that are hidden count in no group.
    function spans() {
      const compact = table.classList.contains('compact');
      const heads = all(table.tHead, 'tr:last-child th');
      let at = 0;
      all(table.tHead, 'th[scope="colgroup"]').forEach((group) => {
        group.dataset.all ||= group.colSpan;
        const mine = heads.slice(at, at += Number(group.dataset.all));
        const width = mine.filter((head) => !compact || !head.classList.contains('more')).length;
        group.hidden = width === 0;
        group.colSpan = Math.max(1, width);
      });
    }

    // --- sorting: missing values last, the teacher on top ---
    const heads = all(table.tHead, 'th[data-sort]');
    heads.forEach((head) => {
      const column = head.rowSpan > 1 ? 0 : head.cellIndex + 1;
      head.dataset.name = head.textContent.trim();
      const button = make('button', head.dataset.name, { type: 'button' });
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const next = { ascending: 'descending', descending: null }[head.getAttribute('aria-sort')];
        const order = next === undefined ? 'ascending' : next;
        heads.forEach((each) => each.removeAttribute('aria-sort'));
        if (order) head.setAttribute('aria-sort', order);
        const sign = order === 'descending' ? -1 : 1;
        const value = (row) => (column ? row.cells[column].dataset.value : row.dataset.variant);
        const compare = (a, b) => {
          const x = value(a), y = value(b);
          if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
          return sign * (column ? Number(x) - Number(y) : x.localeCompare(y, 'en', { numeric: true }));
        };
        const free = rows.filter((row) => !pinned.includes(row));
        body.append(...pinned, ...(order ? free.sort(compare) : free));
        say(order ? `Sorted by ${head.dataset.name}, ${order}` : 'In the order of the report');
      });
    });
    table.classList.add('compact');
    spans();

    // --- marks of the pictures: one tab stop a picture, arrow keys between marks ---
    all(section, '.picture').forEach((picture) => {
      const svg = picture.querySelector('svg');
      const found = new Map();
      const titles = all(svg, '[data-variant] > title').filter((title) => byName.has(title.parentNode.dataset.variant));
      titles.forEach((title) => {
        const mark = title.parentNode, variant = mark.dataset.variant;
        if (!found.has(variant) || mark.tagName === 'path') found.set(variant, [mark, title.textContent]);
        title.remove();  // the card says it
      });
      const marks = [...found.values()].map(([mark, text]) => {
        const told = { role: 'button', 'aria-label': text, 'aria-pressed': 'false', tabindex: '-1' };
        Object.entries(told).forEach(([name, value]) => mark.setAttribute(name, value));
        return mark;
      });
      if (!marks.length) return;
      svg.setAttribute('role', 'group');
      picture.classList.add('live');
      const place = (mark) => mark.getBoundingClientRect();
      marks.sort((a, b) => place(a).left - place(b).left);
      marks[0].setAttribute('tabindex', '0');
      let hot = null;
      const heat = (mark) => {
        if (hot === mark) return;
        [hot, mark].forEach((each, on) => {
          if (!each) return;
          each.classList.toggle('hot', Boolean(on));
          byName.get(each.dataset.variant).classList.toggle('hot', Boolean(on));
        });
        hot = mark;
        if (mark) showCard(byName.get(mark.dataset.variant), place(mark));
        else hideCard();
      };
      const nearest = (event) => {
        const own = event.target.closest('[data-variant]');
        let best = null, least = 22;  // pixels: a finger is larger than a mark
        marks.forEach((mark) => {
          const box = place(mark);
          const away = Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
          if (away < least) [best, least] = [mark, away];
        });
        return best || (own && marks.find((mark) => mark.dataset.variant === own.dataset.variant)) || null;
      };
      svg.addEventListener('pointermove', (event) => heat(nearest(event)));
      svg.addEventListener('pointerleave', () => heat(null));
      svg.addEventListener('click', (event) => {
        const mark = nearest(event);
        heat(mark);
        if (mark) choose(mark.dataset.variant);
      });
      // Chromium makes an SVG with listeners for focus a tab stop: they are the picture's.
      picture.addEventListener('focusin', (event) => { if (marks.includes(event.target)) heat(event.target); });
      picture.addEventListener('focusout', () => heat(null));
      picture.addEventListener('keydown', (event) => {
        const at = marks.indexOf(event.target);
        if (at < 0) return;
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const to = event.key === 'Home' ? 0 : event.key === 'End' ? marks.length - 1 : at + (step || 0);
        if (step || to !== at) {
          const next = marks[(to + marks.length) % marks.length];
          marks[at].setAttribute('tabindex', '-1');
          next.setAttribute('tabindex', '0');
          next.focus();
        } else if (event.key === 'Enter' || event.key === ' ') choose(event.target.dataset.variant);
        else if (event.key === 'Escape') hideCard();
        else return;
        event.preventDefault();
      });
    });
    rows.forEach((row) => {
      const mark = (on) => all(section, '.pareto [role="button"]').forEach((each) => {
        if (each.dataset.variant === row.dataset.variant) each.classList.toggle('hot', on);
      });
      row.addEventListener('pointerenter', () => mark(true));
      row.addEventListener('pointerleave', () => mark(false));
    });
    apply();

    // --- fold and unfold ---
    const parts = all(section, 'details.part');
    if (parts.length) {
      const fold = make('button', 'Open all parts', { type: 'button', class: 'chip' });
      fold.addEventListener('click', () => {
        const open = parts.some((part) => !part.open);
        parts.forEach((part) => { part.open = open; });
      });
      const words = () => { fold.textContent = parts.some((part) => !part.open) ? 'Open all parts' : 'Close all parts'; };
      parts.forEach((part) => part.addEventListener('toggle', words));
      words();
      const line = make('p', '', { class: 'folding' });
      line.append(fold);
      section.querySelector('.parts').prepend(line);
    }
  }

  // A frame is a tab stop only where there is something to scroll.
  function frames() {
    all(document, '.scroll').forEach((frame) => {
      if (frame.scrollWidth > frame.clientWidth + 1) frame.setAttribute('tabindex', '0');
      else frame.removeAttribute('tabindex');
    });
  }

  // A link into a folded part opens it.
  function unfold() {
    let part = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (; part; part = part.parentElement) if (part.tagName === 'DETAILS') part.open = true;
  }

  all(document, 'section.target').forEach((section) => { if (section.querySelector('table.all')) enhance(section); });
  frames();
  unfold();
  addEventListener('resize', () => { frames(); hideCard(); });
  addEventListener('hashchange', unfold);
  document.addEventListener('pointerdown', (event) => { if (!event.target.closest('.live')) hideCard(); });
  document.addEventListener('toggle', frames, true);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hideCard(); });

  // --- printing shows everything, then folds again ---
  let folded = [];
  addEventListener('beforeprint', () => {
    folded = all(document, 'details:not([open])');
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener('afterprint', () => folded.forEach((part) => { part.open = false; }));

  // --- copy the commands ---
  all(document, '.commands').forEach((box) => {
    const button = make('button', 'Copy', { type: 'button', class: 'chip copy' });
    const pre = box.querySelector('pre');
    const done = (text) => { button.textContent = text; say(text); setTimeout(() => { button.textContent = 'Copy'; }, 2000); };
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        done('Copied');
      } catch {
        getSelection().selectAllChildren(pre);
        done(document.execCommand('copy') ? 'Copied' : 'Selected: press Ctrl+C');
      }
    });
    box.prepend(button);
  });

  // --- which target is being read ---
  const links = all(document, '.bar a');
  if ('IntersectionObserver' in window) {
    const watch = new IntersectionObserver((entries) => entries.forEach((entry) => {
      const link = links.find((each) => each.hash === `#${entry.target.id}`);
      if (!link) return;
      if (entry.isIntersecting) { links.forEach((each) => each.removeAttribute('aria-current')); link.setAttribute('aria-current', 'location'); }
    }), { rootMargin: '-30% 0px -65% 0px' });
    all(document, 'main > section').forEach((section) => watch.observe(section));
  }
})();
