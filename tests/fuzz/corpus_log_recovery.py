# SPDX-License-Identifier: Apache-2.0
"""Seeds for fuzz_log_recovery: corpus_log_recovery.py OUT_DIR"""
import sys

sys.dont_write_bytecode = True

import corpus_record_batch  # noqa: E402

sys.argv.append("log_recovery")
corpus_record_batch.main()
