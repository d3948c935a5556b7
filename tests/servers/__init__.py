"""Real servers on loopback for tests: object stores that speak S3, Azure Blob and Google Cloud Storage."""
