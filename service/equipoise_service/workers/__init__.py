"""Worker processes: slots, the steps of a job, the computing child, signs of life, their supervisor."""
