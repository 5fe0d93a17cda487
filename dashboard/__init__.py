"""What every page of the console shares: shell, guard, links, state, reads, parts. Shows and asks only."""
