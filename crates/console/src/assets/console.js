// What the pages gain with a script: they follow what happens, and the keyboard moves in them. Without it everything works.
(() => {
  'use strict';

  // Following what happens. The server says that something changed; the page asks for itself and takes over what became different.
  const LEAST_PAUSE = 250;
  const EVERY = 30000;
  const RECONNECT = 4000;
  const parts = () => [...document.querySelectorAll('[data-live]')];
  // What the server said last: the page itself changes, by open details and ticked boxes.
  const said = new Map(parts().map(part => [part.id, part.innerHTML]));
  let stream = null, loading = false, again = false;
  // When what is shown was last known to be so.
  let current = new Date();
  const clock = at => `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`;

  function state(name, text) {
    const shown = document.getElementById('live-state');
    if (!shown || shown.dataset.state === name) return;
    shown.dataset.state = name;
    shown.querySelector('span:last-child').textContent = text;
  }

  // Whether somebody is writing here: nothing is replaced under their hands.
  const isText = at => /^(TEXTAREA|SELECT)$/.test(at.tagName) || (at.tagName === 'INPUT' && !/^(checkbox|hidden)$/.test(at.type));
  const written = part => [...part.querySelectorAll('input, textarea, select')]
    .some(field => isText(field) && (field === document.activeElement || field.value !== field.defaultValue));

  // How to find an element again in the fresh part.
  function place(at) {
    if (at.id) return `#${CSS.escape(at.id)}`;
    if (at.tagName === 'SUMMARY' && at.parentElement.id) return `#${CSS.escape(at.parentElement.id)} > summary`;
    const [name, value] = at.tagName === 'A' ? ['href', at.getAttribute('href')] : ['value', at.getAttribute('value')];
    return value === null ? null : `${at.tagName.toLowerCase()}[${name}="${CSS.escape(value)}"]`;
  }

  function keep(old, next) {
    for (const open of old.querySelectorAll('details[open][id]')) {
      const same = next.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = true;
    }
    for (const box of old.querySelectorAll('input[type=checkbox][name]:checked')) {
      const same = next.querySelector(`input[name="${CSS.escape(box.name)}"][value="${CSS.escape(box.value)}"]`);
      if (same) same.checked = true;
    }
  }

  // Counts that became different show it for a moment.
  const counts = part => new Map([...part.querySelectorAll('[data-stage] .big, [data-stage] strong')]
    .map(one => [one.closest('[data-stage]').dataset.stage, one]));

  // A picture begins where something goes on and follows it; while that is the same place, it stays as it was scrolled.
  const lively = one => one.querySelector('.is-failed, .is-retrying, .is-current');
  const scrolled = within => new Map([...within.querySelectorAll('[data-scroll][id]')].map(one => [one.id, [one.scrollLeft, one.scrollTop, lively(one)?.id]]));
  function scroll(within, before) {
    for (const one of within.querySelectorAll('[data-scroll][id]')) {
      const [left, top, place] = before.get(one.id) ?? [0, 0];
      one.scrollTo(left, top);
      if (!lively(one) || lively(one).id === place) continue;
      const now = lively(one).getBoundingClientRect(), frame = one.getBoundingClientRect();
      one.scrollBy(now.left - frame.left - (frame.width - now.width) / 2, now.top - frame.top - (frame.height - now.height) / 2);
    }
  }

  function replace(old, next) {
    const offsets = scrolled(old);
    const focused = old.contains(document.activeElement) ? place(document.activeElement) : null;
    const before = counts(old);
    keep(old, next);
    old.replaceChildren(...next.childNodes);
    scroll(old, offsets);
    for (const [stage, one] of counts(old)) {
      const was = before.get(stage);
      if (was && was.textContent !== one.textContent) one.classList.add('fresh');
    }
    if (focused) old.querySelector(focused)?.focus({ preventScroll: true });
  }

  async function refresh() {
    if (document.hidden || loading) { again = true; return; }
    loading = true; again = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { 'X-Refresh': '1' }, credentials: 'same-origin', redirect: 'error' });
      if (answer.status === 401) { state('over', 'Signed out, load again'); follow(false); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const old of parts()) {
        const next = fresh.getElementById(old.id);
        if (!next) continue;
        const text = next.innerHTML;
        if (said.get(old.id) === text || written(old)) continue;
        said.set(old.id, text);
        replace(old, next);
      }
      selected();
      current = new Date();
      if (stream?.readyState === EventSource.OPEN) state('on', 'Live');
    } catch {
      // The next change tries again.
      state('late', `Not current since ${clock(current)}`);
    }
    // A page that is costly to make is asked for less often.
    setTimeout(() => { loading = false; if (again) refresh(); }, Math.max(LEAST_PAUSE, 4 * (performance.now() - began)));
  }

  // Only the page that is looked at keeps a connection: browsers have few of them for each site.
  function follow(wanted) {
    if (!wanted || stream) {
      if (!wanted) { stream?.close(); stream = null; }
      return;
    }
    const own = stream = new EventSource('/live');
    own.addEventListener('change', refresh);
    own.onopen = refresh;
    own.onerror = () => {
      state('off', 'Reconnecting…');
      if (own.readyState !== EventSource.CLOSED || own !== stream) return;
      stream = null;
      setTimeout(() => { if (!document.hidden) { follow(true); refresh(); } }, RECONNECT);
    };
  }

  scroll(document, new Map());
  if (parts().length) {
    follow(!document.hidden);
    document.addEventListener('visibilitychange', () => follow(!document.hidden));
    addEventListener('pagehide', () => follow(false));
    addEventListener('pageshow', event => { if (event.persisted) follow(true); });
    setInterval(refresh, EVERY);
  }

  // The keyboard. j and k move the focus over the rows, so that Enter opens and a reader's voice follows.
  let last = -1;
  const rows = () => [...document.querySelectorAll('[data-row]')].filter(row => row.offsetParent);
  const here = () => document.activeElement?.closest('[data-row]');
  const link = row => row.matches('a') ? row : row.querySelector('a');
  function move(by) {
    const all = rows(), at = here();
    if (!all.length) return;
    // A row that went away leaves its place to the one after it.
    const next = at ? all.indexOf(at) + by : last < 0 ? 0 : by > 0 ? last : last - 1;
    last = Math.max(0, Math.min(all.length - 1, next));
    link(all[last]).focus({ preventScroll: true });
    all[last].scrollIntoView({ block: 'nearest' });
  }

  const keys = document.getElementById('keys');
  const help = () => keys && (keys.open ? keys.close() : keys.showModal());
  const shown = document.getElementById('show-keys');
  if (shown && keys) { shown.hidden = false; shown.addEventListener('click', help); }
  const open = path => location.assign(path);
  const places = { o: '/', t: '/transactions', r: '/records', q: '/queues', e: '/reconciliation', c: '/connections' };
  let going = 0;
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isText(event.target)) { if (event.key === 'Escape') event.target.blur(); return; }
    if (keys?.open) { if (event.key === '?') { event.preventDefault(); help(); } return; }
    const went = Date.now() - going < 1500 ? places[event.key] : null;
    going = 0;
    if (went) { event.preventDefault(); open(went); return; }
    switch (event.key) {
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case 'x': here()?.querySelector('input[type=checkbox]')?.click(); break;
      case 'a': document.querySelector('#actions button, .stuck-do .actions > *, #bulk button:enabled')?.focus(); break;
      case 'n': {
        const next = document.querySelector('#next, [data-next]');
        if (next) open(next.href);
        break;
      }
      case '/': {
        const search = document.querySelector('input[type=search]');
        if (search) { search.focus(); search.select(); } else open('/transactions#search');
        break;
      }
      case 'g': going = Date.now(); break;
      case '?': help(); break;
      default: return;
    }
    event.preventDefault();
  });
  if (location.hash === '#search') document.querySelector('input[type=search]')?.focus();

  // A click anywhere in a row opens it.
  addEventListener('click', event => {
    const row = event.target.closest('[data-row]');
    if (row && !row.matches('a') && !event.target.closest('a, input, button, label, summary, .check') && !getSelection().toString()) link(row)?.click();
  });

  // Many items at once: how many are selected, and nothing to press before one is.
  const boxes = () => [...document.querySelectorAll('input[name=item]')];
  function selected() {
    const all = boxes(), number = all.filter(box => box.checked).length;
    const text = document.getElementById('selected'), every = document.getElementById('all');
    if (text) text.textContent = number ? `${number} selected` : 'Nothing selected';
    if (every) { every.checked = number > 0 && number === all.length; every.indeterminate = number > 0 && number < all.length; }
    for (const button of document.querySelectorAll('#bulk button')) button.disabled = !number;
  }
  addEventListener('change', event => {
    if (event.target.id === 'all') for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches('#all, input[name=item]')) selected();
  });
  selected();

  // An action that needs a note asks for it before it goes out.
  function missing(form, button) {
    const note = form.elements.note;
    if (!button?.hasAttribute('data-note') || !note || note.value.trim()) return null;
    return note;
  }
  addEventListener('submit', event => {
    const form = event.target, note = missing(form, event.submitter);
    if (note) {
      event.preventDefault();
      note.setAttribute('aria-invalid', 'true');
      if (!form.querySelector('.note-wrong')) {
        const text = Object.assign(document.createElement('p'), { className: 'wrong note-wrong', id: 'note-wrong' });
        text.setAttribute('role', 'alert');
        text.textContent = `“${event.submitter.textContent.trim()}” needs a note: say in a sentence why.`;
        note.after(text);
        note.setAttribute('aria-describedby', 'note-wrong');
      }
      note.focus();
      return;
    }
    // Pressing twice does it once.
    if (form.method === 'post') {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = '1';
    }
  });
  addEventListener('pageshow', () => { for (const form of document.forms) delete form.dataset.sent; });
})();
