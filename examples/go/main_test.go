package main

import (
	"net/http"
	"os"
	"testing"
	"time"
)

// The vector comes from the environment: id, time, body, secret and signature as published.
func TestPublishedVector(t *testing.T) {
	stamp, err := time.Parse(time.RFC3339, os.Getenv("VECTOR_TIME"))
	if err != nil {
		t.Skip("no vector given")
	}
	body := []byte(os.Getenv("VECTOR_BODY"))
	secret := os.Getenv("VECTOR_SECRET")
	header := http.Header{}
	header.Set("webhook-id", os.Getenv("VECTOR_ID"))
	header.Set("webhook-timestamp", os.Getenv("VECTOR_STAMP"))
	header.Set("webhook-signature", "v1,AAAA "+os.Getenv("VECTOR_SIGNATURE"))
	if !isGenuine(secret, header, body, stamp) {
		t.Error("the published vector is refused")
	}
	if isGenuine(secret, header, append(body, ' '), stamp) {
		t.Error("a changed body is taken")
	}
	if isGenuine(secret, header, body, stamp.Add(6*time.Minute)) {
		t.Error("an old call is taken")
	}
}
