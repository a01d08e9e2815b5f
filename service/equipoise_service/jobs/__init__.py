"""Jobs as rows and as users see them: submitted, routed, estimated, queued, ended; the job engine."""
