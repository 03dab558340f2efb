"""What methods learn: operators that step, solve or evaluate, in physical units."""
