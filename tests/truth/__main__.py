"""``python -m tests.truth VERSION``: run the rows that are not on record, and write down what comes out.

To record one anew, take it out of ``recorded/``. Whether it is right is for a person to say: in the ``truth`` of the
rows. ``python -m tests.truth plans VERSION`` asks the planner anew, where only the form of what is kept changed;
``python -m tests.truth document`` puts the table into docs/state.md.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from truth.document import write
from truth.record import Record
from truth.run import outcomes, plans_anew
from truth.table import ROWS

if sys.argv[1] == "document":
    write()
    sys.exit()
if sys.argv[1] == "plans":
    plans_anew(sys.argv[2], Record(sys.argv[2]), ROWS)
    sys.exit()
version = sys.argv[1]
record = Record(version)
for one in outcomes(version, [row for row in ROWS if record.shows(row.change) is None], None):
    rows = ((), ()) if one.row.loose else (one.before.rows, one.seen.rows)
    record.add(one.row.change, *rows, *one.plans)
    print(f"{one.row.change}: {one.row.in_version(version)}; {one.seen.end} {' '.join(one.seen.rows)}")
    print(f"    {one.change.verdict}: {one.change.reason}")
record.write()
