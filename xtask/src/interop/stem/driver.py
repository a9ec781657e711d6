"""Runs stem's own integration suite in a copy of stem's source distribution, and writes down each result.

Its argument is a JSON file:

    {"source": DIR, "tor": PATH, "targets": ["RUN_OPEN", ...], "torrc": "lines of the private network",
     "ports": [control, socks, or], "web": port, "authority": "auth0", "results": FILE, "only": [..]}

What is changed in the copy, all of it before stem is imported:

- the torrc has no ORPort line, because a client is under test, and the ports are free ones of this machine;
- `moria1`, an authority of the public network, is one of the private network;
- `www.torproject.org` is the web server behind the private network's exits;
- no authority of today names relays: any that runs does for a test that wants one with a name;
- tests that need the Internet or a relay are skipped, with the reason.

A result is a line `{"target": .., "test": .., "outcome": "ok|skip|fail|error", "why": ".."}`.
"""

import io
import json
import os
import re
import signal
import sys
import traceback

# Tests about which neither client can say anything here, and why. A name is looked for in the test's id.
NOT_HERE = (
    ('test.integ.descriptor.remote.', 'needs the Internet'),
    ('test.integ.descriptor.collector.', 'needs the Internet'),
    ('test.integ.directory.', 'needs the Internet'),
    ('test.integ.manual.', 'needs the Internet'),
    ('TestNetworkStatus.test_signature_validation', 'needs the Internet'),
    ('util.connection.TestConnection.test_download', 'needs the Internet'),
    ('client.connection.TestConnection.test_connection_time', 'needs a relay: the torrc has no ORPort'),
    ('client.connection.TestConnection.test_established', 'needs a relay: the torrc has no ORPort'),
    ('client.connection.TestConnection.test_no_common_link_protocol', 'needs a relay: the torrc has no ORPort'),
    ('TestController.test_get_listeners', 'needs a relay: the torrc has no ORPort'),
    ('TestController.test_get_ports', 'needs a relay: the torrc has no ORPort'),
    ('TestController.test_getinfo_freshrelaydescs', 'needs a relay: the torrc has no ORPort'),
    ('TestController.test_get_hidden_service_descriptor', 'asks for an onion service of version 2'),
)

# C Tor takes 15 s to see that its owner has gone; nothing else takes long.
SECONDS_A_TEST = 45


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    source = job['source']
    os.chdir(source)
    sys.path.insert(0, source)
    patch_text(job)
    patch_python()
    run(job)


def patch_text(job):
    """Ports, the authority's name and the web server are literals in the tests."""
    control, socks, orport = (str(port) for port in job['ports'])
    web = str(job['web'])
    numbers = {'1111': control, '1112': socks, '1113': orport}
    for folder, _, names in os.walk(os.path.join(job['source'], 'test')):
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith('.py') or os.sep + 'unit' in path:
                continue
            edit(path, lambda text: re.sub(r'\b111[123]\b', lambda found: numbers[found.group()], text))
    settings = os.path.join(job['source'], 'test', 'settings.cfg')
    edit(settings, lambda text: text.replace('|ORPort [OR_PORT]\n', ''))
    controller = os.path.join(job['source'], 'test', 'integ', 'control', 'controller.py')

    def towards_the_private_network(text):
        text = text.replace("'moria1'", repr(job['authority']))
        text = text.replace("socket.gethostbyname('www.torproject.org')", "'127.0.0.2'")
        text = text.replace("('www.torproject.org', 443)", "('127.0.0.2', %s)" % web)
        text = text.replace('port = 443\n', 'port = %s\n' % web)
        text = text.replace('Flag.NAMED in desc.flags', "'Running' in desc.flags")
        return text.replace('port = 80\n', 'port = %s\n' % web)

    edit(controller, towards_the_private_network)
    extra = os.path.join(job['source'], 'extra.cfg')
    with open(extra, 'w') as file:
        file.write('integ.extra_torrc\n' + ''.join('|%s\n' % line for line in job['torrc'].splitlines()))
    os.environ['STEM_TEST_CONFIG'] = extra


def edit(path, change):
    with open(path, encoding='utf-8') as file:
        before = file.read()
    after = change(before)
    if after != before:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(after)


def patch_python():
    """What stem 1.8 uses of Python and newer ones have dropped."""
    import collections
    import collections.abc
    import inspect
    import unittest

    for name in ('Iterable', 'Mapping', 'MutableMapping', 'Callable', 'OrderedDict'):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(inspect, 'getargspec'):
        inspect.getargspec = inspect.getfullargspec
    if not hasattr(unittest, '_TextTestResult'):
        unittest._TextTestResult = unittest.TextTestResult
    aliases = (('assertEquals', 'assertEqual'), ('assertRaisesRegexp', 'assertRaisesRegex'),
               ('assertRegexpMatches', 'assertRegex'), ('assertNotEquals', 'assertNotEqual'),
               ('assertItemsEqual', 'assertCountEqual'))
    for old, new in aliases:
        if not hasattr(unittest.TestCase, old):
            setattr(unittest.TestCase, old, getattr(unittest.TestCase, new))


def run(job):
    import run_tests
    import stem.util.test_tools
    import test.runner

    results = open(job['results'], 'w')
    target = ['']

    def note(test, outcome, why=''):
        line = {'target': target[0], 'test': test.id(), 'outcome': outcome, 'why': why}
        results.write(json.dumps(line) + '\n')
        results.flush()

    import unittest

    runner = stem.util.test_tools.TimedTestRunner
    run_suite = runner.run

    def run_what_is_for_here(self, suite):
        wanted = unittest.TestSuite()
        for test in tests_of(suite):
            reason = next((why for name, why in NOT_HERE if name in test.id()), None)
            if reason:
                note(test, 'skip', reason)
            elif not job['only'] or any(name in test.id() for name in job['only']):
                wanted.addTest(test)
        return run_suite(self, wanted)

    class Result(unittest.TextTestResult):
        def __init__(self):
            super().__init__(unittest.runner._WritelnDecorator(io.StringIO()), True, 0)

        def startTest(self, test):
            super().startTest(test)
            # An answer that never comes fails one test and not all that would have followed.
            signal.alarm(SECONDS_A_TEST)

        def stopTest(self, test):
            signal.alarm(0)
            super().stopTest(test)

        def addSuccess(self, test):
            note(test, 'ok')

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            note(test, 'skip', reason)

        def addFailure(self, test, error):
            super().addFailure(test, error)
            note(test, 'fail', last_lines(error))

        def addError(self, test, error):
            super().addError(test, error)
            note(test, 'error', last_lines(error))

    def too_long(_signal, _frame):
        raise AssertionError('no end within %i s' % SECONDS_A_TEST)

    signal.signal(signal.SIGALRM, too_long)
    runner.run = run_what_is_for_here
    runner._makeResult = lambda self: Result()
    start = test.runner.Runner.start

    def start_noting(self, config_target, attribute_targets, tor_cmd):
        target[0] = config_target
        # Asynchronous tests were begun before and belong to no target; this is the first that is named.
        return start(self, config_target, attribute_targets, tor_cmd)

    test.runner.Runner.start = start_noting
    sys.argv = ['run_tests.py', '--integ', '--tor', job['tor'],
                '--targets', ','.join(job['targets'] + ['ONLINE']), '--verbose']
    status = 1
    try:
        run_tests.main()
    except SystemExit as exit:
        status = exit.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        results.close()
        sys.stdout.flush()
        sys.stderr.flush()
        # A thread that stem left behind would keep the process for ever.
        os._exit(status if isinstance(status, int) else 1)


def tests_of(suite):
    for test in suite:
        if hasattr(test, '__iter__'):
            yield from tests_of(test)
        else:
            yield test


def last_lines(error):
    lines = ''.join(traceback.format_exception(*error)).strip().splitlines()
    return '\n'.join(lines[-4:])


main()
