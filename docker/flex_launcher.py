"""What Dataflow starts in a Flex Template's container: it wants a file, and one that lies apart from the package."""

import sys

from beam_jobs.dataflow.container import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
