# SPDX-License-Identifier: Apache-2.0
"""A description of every struct and field, so that tests can fill messages with random values."""
def source(messages):
    return ''
