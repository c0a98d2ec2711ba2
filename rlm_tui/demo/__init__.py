"""Scenarios that play without a key: data, a question, its true answer, and a policy that plays the model."""
