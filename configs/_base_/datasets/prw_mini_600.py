# PRW-mini: prw_600.py, tested on 30 queries in all 6,112 test frames but their own. docs/concepts/protocol.md says
# where the file of queries is.
_base_ = "./prw_600.py"

val_dataloader = dict(dataset=dict(query_file="prwmini_query_info.txt"))
test_dataloader = val_dataloader
