"""Blocks of the kind that models write, and what they print. Nothing that keeps a REPL safe may change a character."""

from __future__ import annotations

CONTEXT = "\n".join(f"2024-03-{day:02d} station-{day % 3} gust {day * 7 % 31 + 0.5} m/s" for day in range(1, 29))
"""What ``context`` is while they run: 28 lines of a log."""

ORDINARY: dict[str, tuple[str, str]] = {
    "look at the context": (
        "lines = context.splitlines()\nprint(type(context).__name__, len(context), len(lines))\nprint(lines[0])",
        "str 970 28\n2024-03-01 station-1 gust 7.5 m/s\n",
    ),
    "chunks": (
        "size = 300\nchunks = [context[i:i + size] for i in range(0, len(context), size)]\n"
        "print([len(chunk) for chunk in chunks], ''.join(chunks) == context)",
        "[300, 300, 300, 70] True\n",
    ),
    "one call for each chunk": (
        "answers = [llm_query(f'{n}: {chunk[:10]}') for n, chunk in enumerate(chunks)]\nprint(answers[0], len(answers))",
        "<0: 2024-03-01> 4\n",
    ),
    "a batch": (
        "print(llm_query_batched([f'which station? {n}' for n in range(3)]))",
        "['<which station? 0>', '<which station? 1>', '<which station? 2>']\n",
    ),
    "threads over calls": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(max_workers=4) as pool:\n"
        "    print(list(pool.map(llm_query, 'abcdef')))",
        "['<a>', '<b>', '<c>', '<d>', '<e>', '<f>']\n",
    ),
    "regex": (
        "import re\nfound = re.findall(r'(station-\\d) gust ([\\d.]+)', context)\n"
        "print(max((float(gust), name) for name, gust in found))\n"
        "print(re.sub(r'(?P<y>\\d{4})-(?P<m>\\d\\d)', r'\\g<m>/\\g<y>', lines[3]))",
        "(30.5, 'station-1')\n03/2024-04 station-1 gust 28.5 m/s\n",
    ),
    "counter": (
        "from collections import Counter, defaultdict\nprint(Counter(name for name, _ in found).most_common(2))\n"
        "by = defaultdict(list)\nfor name, gust in found: by[name].append(float(gust))\n"
        "print({name: max(gusts) for name, gusts in sorted(by.items())})",
        "[('station-1', 10), ('station-2', 9)]\n{'station-0': 23.5, 'station-1': 30.5, 'station-2': 27.5}\n",
    ),
    "json": (
        "import json\ntext = json.dumps({'b': [1, 2.5, None, True], 'a': 'é'}, sort_keys=True, indent=1)\nprint(text)\n"
        "print(json.loads(text)['b'])",
        '{\n "a": "\\u00e9",\n "b": [\n  1,\n  2.5,\n  null,\n  true\n ]\n}\n[1, 2.5, None, True]\n',
    ),
    "csv": (
        "import csv, io\nout = io.StringIO()\ncsv.writer(out).writerows([['name', 'note'], ['a', 'x, \"y\"']])\n"
        "print(out.getvalue(), end='')\nprint(list(csv.DictReader(io.StringIO(out.getvalue()))))",
        "name,note\r\na,\"x, \"\"y\"\"\"\r\n[{'name': 'a', 'note': 'x, \"y\"'}]\n",
    ),
    "dates": (
        "from datetime import date, datetime, timedelta, timezone\nday = date.fromisoformat(lines[-1].split()[0])\n"
        "print(day, day + timedelta(days=2), day.strftime('%A %d %B'))\n"
        "print(datetime(2024, 2, 29, 12, tzinfo=timezone.utc).isoformat())",
        "2024-03-28 2024-03-30 Thursday 28 March\n2024-02-29T12:00:00+00:00\n",
    ),
    "time zones": (
        "from zoneinfo import ZoneInfo\nnoon = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo('Europe/Lisbon'))\n"
        "print(noon.isoformat(), noon.astimezone(ZoneInfo('Asia/Tokyo')).isoformat())",
        "2024-07-01T12:00:00+01:00 2024-07-01T20:00:00+09:00\n",
    ),
    "dataclasses": (
        "from dataclasses import dataclass, field, asdict, replace\n@dataclass(order=True)\nclass Gust:\n"
        "    speed: float\n    station: str = field(compare=False, default='?')\n"
        "gusts = sorted(Gust(float(g), n) for n, g in found)\nprint(gusts[-1], asdict(replace(gusts[0], station='x')))",
        "Gust(speed=30.5, station='station-1') {'speed': 1.5, 'station': 'x'}\n",
    ),
    "named tuples and enums": (
        "from typing import NamedTuple\nfrom enum import Enum, Flag, auto\nclass Point(NamedTuple):\n    x: int\n    y: int = 0\n"
        "class Colour(Enum):\n    RED = 'r'\n    BLUE = 'b'\nclass Bits(Flag):\n    A = auto()\n    B = auto()\n"
        "print(Point(1)._replace(y=2), Colour('b'), [c.name for c in Colour], (Bits.A | Bits.B).value)",
        "Point(x=1, y=2) Colour.BLUE ['RED', 'BLUE'] 3\n",
    ),
    "generators": (
        "from itertools import accumulate, chain, groupby, islice, pairwise\ndef fib():\n    a, b = 0, 1\n    while True:\n"
        "        yield a\n        a, b = b, a + b\nprint(list(islice(fib(), 10)), list(accumulate([1, 2, 3])))\n"
        "print([(k, len(list(g))) for k, g in groupby('aabccc')], list(pairwise('abc')))",
        "[0, 1, 1, 2, 3, 5, 8, 13, 21, 34] [1, 3, 6]\n[('a', 2), ('b', 1), ('c', 3)] [('a', 'b'), ('b', 'c')]\n",
    ),
    "comprehensions": (
        "size = 3\nprint([[row * col for col in range(size)] for row in range(size)], {c for c in 'banana'} == set('abn'))\n"
        "print({name: len(name) for name in ('ab', 'c')}, sum(x for x in range(10) if x % 2))",
        "[[0, 0, 0], [0, 1, 2], [0, 2, 4]] True\n{'ab': 2, 'c': 1} 25\n",
    ),
    "recursion": (
        "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef paths(n, m): return 1 if 0 in (n, m) else paths(n - 1, m) + paths(n, m - 1)\n"
        "print(paths(10, 10), paths.cache_info().misses)\n"
        "def flat(x): return [y for z in x for y in flat(z)] if isinstance(x, list) else [x]\nprint(flat([1, [2, [3, []]], 4]))",
        "184756 120\n[1, 2, 3, 4]\n",
    ),
    "sorting": (
        "from operator import itemgetter\nrows = [('b', 2), ('a', 2), ('c', 1)]\n"
        "print(sorted(rows, key=itemgetter(1)), sorted(rows, key=lambda r: (-r[1], r[0])))",
        "[('c', 1), ('b', 2), ('a', 2)] [('a', 2), ('b', 2), ('c', 1)]\n",
    ),
    "difflib": (
        "import difflib\nprint('\\n'.join(difflib.unified_diff(['a', 'b', 'c'], ['a', 'x', 'c'], lineterm='', n=0)))\n"
        "print(difflib.get_close_matches('appel', ['ape', 'apple', 'peach']), round(difflib.SequenceMatcher(None, 'abcd', 'bcde').ratio(), 2))",
        "--- \n+++ \n@@ -2 +2 @@\n-b\n+x\n['apple', 'ape'] 0.75\n",
    ),
    "textwrap": (
        "import textwrap\nprint(textwrap.fill('the quick brown fox jumps over the lazy dog', 16))\n"
        "print(textwrap.dedent('    a\\n      b'), textwrap.shorten('one two three four', 12))",
        "the quick brown\nfox jumps over\nthe lazy dog\na\n  b one [...]\n",
    ),
    "statistics": (
        "import statistics, math\nspeeds = [float(g) for _, g in found]\n"
        "print(statistics.median(speeds), round(statistics.stdev(speeds), 3), math.isclose(math.fsum([0.1] * 10), 1.0))",
        "15.0 8.964 True\n",
    ),
    "decimals": (
        "from decimal import Decimal, getcontext\nfrom fractions import Fraction\ngetcontext().prec = 20\n"
        "print(Decimal(1) / Decimal(7), Fraction(3, 12) + Fraction(1, 3), 2 ** 100, divmod(-7, 3))",
        "0.14285714285714285714 7/12 1267650600228229401496703205376 (-3, 2)\n",
    ),
    "a database in memory": (
        "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table g (station text, speed real)')\n"
        "db.executemany('insert into g values (?, ?)', found)\n"
        "print(db.execute('select station, count(*), max(speed) from g group by station order by 1').fetchall())",
        "[('station-0', 9, 23.5), ('station-1', 10, 30.5), ('station-2', 9, 27.5)]\n",
    ),
    "a database in a file": (
        "db = sqlite3.connect('gusts.db')\nwith db: db.execute('create table t (x)'), db.execute('insert into t values (1)')\n"
        "db.close()\nprint(sqlite3.connect('gusts.db').execute('select * from t').fetchall())",
        "[(1,)]\n",
    ),
    "asyncio": (
        "import asyncio\nasync def work(n):\n    await asyncio.sleep(0)\n    return n * n\n"
        "async def main():\n    async with asyncio.timeout(30):\n        return await asyncio.gather(*map(work, range(4)))\n"
        "print(asyncio.run(main()))",
        "[0, 1, 4, 9]\n",
    ),
    "calls from asyncio": (
        "async def ask(n): return await asyncio.to_thread(llm_query, f'q{n}')\n"
        "async def main(): return await asyncio.gather(*map(ask, range(3)))\nprint(asyncio.run(main()))",
        "['<q0>', '<q1>', '<q2>']\n",
    ),
    "temporary files": (
        "import tempfile, os\nwith tempfile.TemporaryDirectory() as folder:\n    path = os.path.join(folder, 'a.txt')\n"
        "    with open(path, 'w') as f: f.write('kept')\n    print(open(path).read(), os.listdir(folder))\n"
        "print(os.path.exists(folder))\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('x')\n    print(f.tell())",
        "kept ['a.txt']\nFalse\n1\n",
    ),
    "paths": (
        "from pathlib import Path\nPath('notes').mkdir()\nfor name in ('b', 'a'): Path('notes', name + '.md').write_text(name * 3)\n"
        "print(sorted(p.name for p in Path('notes').glob('*.md')), Path('notes/a.md').read_text(), Path('notes/a.md').stat().st_size)\n"
        "print(Path('notes/a.md').resolve().relative_to(Path.cwd().resolve()))",
        "['a.md', 'b.md'] aaa 3\nnotes/a.md\n",
    ),
    "compressed files": (
        "import gzip, zipfile\nwith gzip.open('x.gz', 'wt') as f: f.write('packed ' * 1000)\n"
        "print(len(gzip.open('x.gz', 'rt').read()), os.path.getsize('x.gz') < 200)\n"
        "with zipfile.ZipFile('x.zip', 'w') as z: z.writestr('a/b', 'c')\nprint(zipfile.ZipFile('x.zip').namelist())",
        "7000 True\n['a/b']\n",
    ),
    "exec and eval": (
        "space = {}\nexec('def double(x):\\n    return 2 * x', space)\nprint(space['double'](21), eval('sum(range(5))'), compile('1', 'f', 'eval').co_filename)",
        "42 10 f\n",
    ),
    "classes": (
        "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n"
        "    @property\n    def label(self): return f'{type(self).__name__}:{self.area()}'\n"
        "class Square(Shape):\n    __slots__ = ('side',)\n    def __init__(self, side): self.side = side\n"
        "    def area(self): return self.side ** 2\n"
        "print(Square(3).label, Square.__mro__[1] is Shape, isinstance(Square(1), Shape))\n"
        "try: Shape()\nexcept TypeError as error: print(str(error)[:46])",
        "Square:9 True True\nCan't instantiate abstract class Shape with ab\n",
    ),
    "closures": (
        "def counter():\n    n = 0\n    def more(by=1):\n        nonlocal n\n        n += by\n        return n\n    return more\n"
        "count = counter()\nprint(count(), count(5), [f(2) for f in [lambda x, k=k: x ** k for k in range(3)]])\n"
        "total = 0\ndef add():\n    global total\n    total += 1\nadd(); add()\nprint(total)",
        "1 6 [1, 2, 4]\n2\n",
    ),
    "errors caught": (
        "def careful(x):\n    try: return 10 / x\n    except ZeroDivisionError as error: return f'{type(error).__name__}: {error}'\n"
        "    except (TypeError, ValueError): return 'type'\n    finally: print('finally', x)\nprint(careful(0), careful('a'), careful(4))\n"
        "try:\n    raise ValueError('inner') from KeyError('cause')\nexcept ValueError as error: print(repr(error.__cause__))",
        "finally 0\nfinally a\nfinally 4\nZeroDivisionError: division by zero type 2.5\nKeyError('cause')\n",
    ),
    "exception groups": (
        "import traceback\ntry:\n    raise ExceptionGroup('two', [ValueError(1), TypeError(2)])\n"
        "except* ValueError as group: print(group.exceptions)\nexcept* TypeError as group: print(len(group.exceptions))\n"
        "try: {}['missing']\nexcept KeyError: print(traceback.format_exc().splitlines()[-1])",
        "(ValueError(1),)\n1\nKeyError: 'missing'\n",
    ),
    "formats": (
        "value, name = 1234567.891, 'é🦊'\nprint(f'{value:,.2f}|{value:>15.1e}|{42:#06x}|{name!r:^8}|{name=}|{0.256:.1%}')\n"
        "print('%-5s|%03d' % ('ab', 7), '{0[k]}'.format({'k': 'v'}), '\\u00e9'.encode())",
        "1,234,567.89|        1.2e+06|0x002a|  'é🦊'  |name='é🦊'|25.6%\nab   |007 v b'\\xc3\\xa9'\n",
    ),
    "pickles": (
        "import pickle, copy\nkeep = {'gust': Gust(1.0, 'a'), 'set': {1}}\nagain = pickle.loads(pickle.dumps(keep))\n"
        "print(again == keep, again['gust'], copy.deepcopy(keep)['set'] is keep['set'])",
        "True Gust(speed=1.0, station='a') False\n",
    ),
    "heaps": (
        "import heapq, bisect\nheap = [5, 1, 4]\nheapq.heapify(heap)\nheapq.heappush(heap, 0)\n"
        "print([heapq.heappop(heap) for _ in range(3)], heapq.nlargest(2, range(10)), bisect.bisect([1, 3, 3, 7], 3))",
        "[0, 1, 4] [9, 8] 3\n",
    ),
    "hashes": (
        "import hashlib, base64, zlib, hmac\nprint(hashlib.sha256(b'abc').hexdigest()[:16], hashlib.md5(b'abc').hexdigest()[:8])\n"
        "print(base64.b64encode(b'hello').decode(), zlib.crc32(b'hello'), zlib.decompress(zlib.compress(b'x' * 9)))\n"
        "print(hmac.new(b'k', b'm', 'sha1').hexdigest()[:8])",
        "ba7816bf8f01cfea 90015098\naGVsbG8= 907060870 b'xxxxxxxxx'\n772b71c8\n",
    ),
    "unicode": (
        "import unicodedata\nprint(unicodedata.name('é'), unicodedata.normalize('NFD', 'é').encode(), 'ß'.upper(), 'İ'.lower() == 'i̇')\n"
        "print('naïve café'.encode('ascii', 'ignore').decode(), [unicodedata.category(c) for c in 'aA1 '])",
        "LATIN SMALL LETTER E WITH ACUTE b'e\\xcc\\x81' SS True\nnave caf ['Ll', 'Lu', 'Nd', 'Zs']\n",
    ),
    "random": (
        "import random\nrandom.seed(7)\nprint(random.randint(1, 100), random.sample(range(10), 3), random.choice('abc'))",
        "42 [2, 6, 0] a\n",
    ),
    "matching": (
        "def kind(x):\n    match x:\n        case {'type': str(t), **rest}: return t, rest\n        case [first, *_] if first: return first\n"
        "        case int() | float(): return 'number'\n        case _: return None\n"
        "print(kind({'type': 'a', 'n': 1}), kind([3, 4]), kind(2.0), kind([]))",
        "('a', {'n': 1}) 3 number None\n",
    ),
    "parsing": (
        "import ast, html, xml.etree.ElementTree as ET\nprint(ast.literal_eval(\"{'a': [1, (2,)]}\"), html.unescape('&lt;p&gt;&amp;'))\n"
        "root = ET.fromstring('<r><i n=\"1\">x</i><i n=\"2\">y</i></r>')\nprint([(i.get('n'), i.text) for i in root.iter('i')])\n"
        "print([type(node).__name__ for node in ast.parse('x = 1').body])",
        "{'a': [1, (2,)]} <p>&\n[('1', 'x'), ('2', 'y')]\n['Assign']\n",
    ),
    "threads and a queue": (
        "import threading, queue\njobs, done = queue.Queue(), []\ndef work():\n    while (n := jobs.get()) is not None: done.append(n * n)\n"
        "threads = [threading.Thread(target=work) for _ in range(3)]\nfor t in threads: t.start()\nfor n in range(9): jobs.put(n)\n"
        "for _ in threads: jobs.put(None)\nfor t in threads: t.join()\nprint(sorted(done))",
        "[0, 1, 4, 9, 16, 25, 36, 49, 64]\n",
    ),
    "buffers": (
        "import array, struct, collections\nprint(array.array('i', [1, 2]).tobytes(), struct.unpack('<hI', struct.pack('<hI', -2, 7)))\n"
        "print(collections.deque([1, 2, 3], maxlen=2), collections.ChainMap({'a': 1}, {'a': 2, 'b': 3})['b'], memoryview(b'abc')[1])",
        "b'\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00' (-2, 7)\ndeque([2, 3], maxlen=2) 3 98\n",
    ),
    "printing to anywhere": (
        "import sys, contextlib\ncaught = io.StringIO()\nwith contextlib.redirect_stdout(caught): print('caught')\n"
        "sys.stdout.write('plain\\n')\nprint('to stderr', file=sys.stderr)\nprint(1, 2, sep='-', end='!\\n')\nprint(repr(caught.getvalue()))",
        "plain\n1-2!\n'caught\\n'\n",
    ),
    "a value at the end": ("len(speeds)", "28"),
    "the value before": ("print(_ + 1)", "29\n"),
}
