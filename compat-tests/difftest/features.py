# SPDX-License-Identifier: Apache-2.0
"""Which level of which feature may be set from where it is; nothing is changed."""
from world import scenario

KINDS = {1: 'upgrade', 2: 'safe downgrade', 3: 'unsafe downgrade'}


def update(w, label, *updates):
    asked = [dict(Feature=name, MaxVersionLevel=level, UpgradeType=kind) for name, level, kind in updates]
    w.ask(label, 'UpdateFeatures', 2, dict(timeoutMs=5000, ValidateOnly=True, FeatureUpdates=asked))


@scenario
def features_that_may_change(w):
    known = w.ask(None, 'ApiVersions', 4, dict(ClientSoftwareName='difftest', ClientSoftwareVersion='1'))
    levels = {feature['Name']: feature['MaxVersionLevel'] for feature in known['FinalizedFeatures']}
    w.note('levels', levels)
    w.note('supported', known['SupportedFeatures'])
    for feature in sorted(known['SupportedFeatures'], key=lambda feature: feature['Name']):
        name, now = feature['Name'], levels.get(feature['Name'], 0)
        for level in sorted({feature['MinVersion'], max(feature['MinVersion'], now - 1), now, now + 1, feature['MaxVersion']}):
            for kind, word in KINDS.items():
                update(w, '%s %d to %d, %s' % (name, now, level, word), (name, level, kind))
    update(w, 'one of two is wrong', ('metadata.version', levels['metadata.version'] - 1, 2), ('group.version', 0, 2))
