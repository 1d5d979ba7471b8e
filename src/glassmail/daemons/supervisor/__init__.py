"""The supervisor: forks the daemons, keeps them alive, tells how they died, ends them in order."""
