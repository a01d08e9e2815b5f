"""Worker processes: slots, the steps of a job, the computing children, signs of life, their supervisor."""
