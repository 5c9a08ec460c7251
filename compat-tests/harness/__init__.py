# SPDX-License-Identifier: Apache-2.0
"""What all compatibility suites share: brokers, cases, a proxy, a few requests spoken by hand, installed clients."""
