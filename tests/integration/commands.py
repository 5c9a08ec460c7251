# SPDX-License-Identifier: Apache-2.0
"""The commands that end by themselves: check, format, --version, --help."""
import os
import re

from harness import Broker, run, weir

CLUSTER_ID = 'abcdefghijklmnopqrstuA'


def _write(directory, text):
    path = os.path.join(directory, 'server.properties')
    with open(path, 'w') as file:
        file.write(text)
    return path


def check_says_ok_to_a_good_file(directory):
    path = _write(directory, 'node.id=1\nprocess.roles=broker,controller\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n'
                  'controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@localhost:9093\n'
                  'log.dirs=%s/data\nnum.partitions=3\n' % directory)
    code, text = weir('check', path)
    assert code == 0 and text.splitlines()[-1] == 'ok', (code, text)
    assert not os.path.exists(directory + '/data')


def check_names_every_problem_of_a_bad_file(directory):
    path = _write(directory, 'num.partitons=3\nnum.network.threads=none\nlog.dirs=%s/data\n' % directory)
    code, text = weir('check', path)
    assert code == 2, (code, text)
    assert 'num.partitons' in text and 'num.partitions' in text and 'num.network.threads' in text, text
    assert 'ok' not in text.splitlines()


def check_says_which_file_cannot_be_read(directory):
    code, text = weir('check', directory + '/absent.properties')
    assert code != 0 and directory + '/absent.properties' in text, (code, text)


def serve_refuses_a_bad_file_with_the_same_sentences(directory):
    path = _write(directory, 'num.partitons=3\nlog.dirs=%s/data\n' % directory)
    code, text = weir('serve', path)
    assert code == 2 and 'num.partitions' in text, (code, text)


def unknown_commands_and_options_name_the_nearest(directory):
    code, text = weir('chek')
    assert code == 2 and "'check'" in text, (code, text)
    code, text = weir('serve', '--overide', 'a=b')
    assert code == 2 and "'--override'" in text, (code, text)


def version_and_help_answer(directory):
    code, text = weir('--version')
    assert code == 0 and re.fullmatch(r'weir \d+\.\d+\.\d+ \(Apache Kafka 4\.3\.0\)\n', text), (code, text)
    code, text = weir('--help')
    assert code == 0 and '--ephemeral' in text and 'weir format' in text, (code, text)


def format_prepares_a_directory_that_serve_then_uses(directory):
    path = _write(directory, 'node.id=1\nlog.dirs=%s/data\nlisteners=PLAINTEXT://127.0.0.1:0\n' % directory)
    code, text = weir('format', '--config', path, '--cluster-id', CLUSTER_ID)
    assert code == 0 and directory + '/data' in text, (code, text)
    with open(directory + '/data/meta.properties') as file:
        assert 'cluster.id=' + CLUSTER_ID in file.read().splitlines()
    with Broker(directory, arguments=[path]) as broker, broker.connect() as client:
        assert 'cluster_id=' + CLUSTER_ID in broker.wait_line(' ready ')
        assert client.create_topic('t') == 0
        broker.stop()


def format_of_a_formatted_directory_is_refused_unless_ignored(directory):
    path = _write(directory, 'node.id=1\nlog.dirs=%s/data\n' % directory)
    assert weir('format', '--config', path, '--cluster-id', CLUSTER_ID)[0] == 0
    code, text = weir('format', '--config', path, '--cluster-id', CLUSTER_ID)
    assert code == 1 and 'already formatted' in text, (code, text)
    code, text = weir('format', '--config', path, '--cluster-id', CLUSTER_ID, '--ignore-formatted')
    assert code == 0, (code, text)


def a_quorum_whose_voters_may_change_is_a_feature_that_clients_are_told(directory):
    told = {}
    for name, flags in (('fixed', []), ('standalone', ['--standalone'])):
        os.mkdir(directory + '/' + name)
        path = _write(directory + '/' + name, 'node.id=1\nlog.dirs=%s/%s/data\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1\n'
                      'controller.listener.names=CONTROLLER\n' % (directory, name))
        assert weir('format', '--config', path, *flags)[0] == 0
        listeners = 'listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1'
        with Broker(directory + '/' + name, listeners, arguments=[path]) as broker, broker.connect() as client:
            answer = client.call(18, 3, b'\0\2t\2t\0')  # ApiVersions v3: header tags, software name and version, tags
            told[name] = b'\x0ekraft.version\0\1\0\1' in answer.data
            broker.stop()
    assert told == {'fixed': False, 'standalone': True}, told


def directory_of_another_node_is_refused(directory):
    path = _write(directory, 'node.id=1\nlog.dirs=%s/data\nlisteners=PLAINTEXT://127.0.0.1:0\n' % directory)
    assert weir('format', '--config', path, '--cluster-id', CLUSTER_ID)[0] == 0
    code, text = weir('serve', path, '--override', 'node.id=2')
    assert code in (1, 2) and 'node' in text and directory + '/data' in text, (code, text)


def environment_sets_keys_below_overrides(directory):
    with Broker(directory, env={'WEIR_NUM_PARTITIONS': '5', 'WEIR_NODE_ID': '1'}) as broker, broker.connect() as client:
        assert client.create_topic('t', -1) == 0
        assert client.metadata('t')['t'] == (0, 5)
        broker.stop()


if __name__ == '__main__':
    run(globals())
