"""Jobs on Google Cloud Dataflow: started, watched, cancelled and listed from here."""
