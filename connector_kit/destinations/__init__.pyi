from connector_kit.records.batches import parts_of as parts_of
from connector_kit.registry.destinations import open_destination as open_destination

from .jsonl.destination import JsonlDestination as JsonlDestination
from .ledger import Entry as Entry
from .ledger import Generation as Generation
from .ledger import Phase as Phase
from .ledger import Start as Start
from .ledger import refuse_mode as refuse_mode
from .ledger import started_read as started_read
from .sqlite.destination import SQLiteDestination as SQLiteDestination
from .worker import Worker as Worker
