"""The worker side: the MapReduce jobs and all that is shipped to their tasks."""
