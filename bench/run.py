#!/usr/bin/env python3
"""The benchmarks of merganser. The protocol is in README.md.

Timings never make the exit status fail; crashes and wrong outputs do.
"""

import signal
import sys
import time
import traceback

import measure
import options
import record
import report
from parts import PARTS
from session import Session


def announce(session):
    busy = measure.cpu_busy()
    time.sleep(1)
    busy = measure.cpu_busy() - busy
    if busy > 0.15:
        session.say(f"note: other processes take {100 * busy:.0f} % of a core; timings will be noisy")
    session.say("this will measure:")
    for name, part in PARTS.items():
        if name in session.options.parts:
            session.say(f"  {name}: {part.ABOUT}")


def measure_parts(session):
    """One after the other; one that breaks off does not end the run."""
    for name, part in PARTS.items():
        if name not in session.options.parts:
            continue
        try:
            if part.NEEDS_INPUTS:
                session.make_inputs()
            part.run(session)
        except (Exception, SystemExit) as error:  # SystemExit: of scripts that are used as modules
            traceback.print_exc()
            session.fail(f"{name}: {type(error).__name__}: {error}")
        finally:  # of an interrupt, too
            record.save(session.work, session.results)


def conclude(session):
    written = record.write(session.options, session.results)
    session.say("")
    for what, target, value, met in report.targets(session.results):
        session.say(f"  {met.strip('*'):12} {what}: {value} (target {target})")
    session.say("\n" + written)
    return 1 if session.results["failures"] else 0


def main():
    def stop(number, frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    handled = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays nohup
    for number in handled:
        signal.signal(number, stop)
    session = Session(options.parse())
    try:
        session.find_program()
        announce(session)
        measure_parts(session)
        return conclude(session)
    except KeyboardInterrupt as signalled:
        session.say(f"bench: stopped by {signalled}; results.json has what was measured before")
        return 130
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        session.clean()


if __name__ == "__main__":
    sys.exit(main())
