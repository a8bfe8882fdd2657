"""Fails for words that begin with "bad", and sleeps for words that begin with "slow"."""

import sys
import time

from sdk import CoreSDK

word = CoreSDK.Parameter.get_input_json_dict()["words"][0]
CoreSDK.Result.push_data({"word": word})
if not word.startswith("slow"):
    CoreSDK.Result.upsert_data({"id": "shared", word: True}, "id")
if word.startswith("bad"):
    print("cannot read " + word, file=sys.stderr)
    sys.exit(7)
if word.startswith("slow"):
    time.sleep(60)
